/** One way by which a remote track arrives. Two ways of one track are told apart by this object, never by the id of its
 * MediaStreamTrack: browsers give both the sender's. */
export interface Media {
  readonly track: MediaStreamTrack
  readonly receiver: RTCRtpReceiver
}

const known = new WeakMap<RTCRtpReceiver, Media>()

/** The same object each time for the same receiver. */
export function mediaOf(receiver: RTCRtpReceiver): Media {
  let media = known.get(receiver)
  if (!media) known.set(receiver, (media = { track: receiver.track, receiver }))
  return media
}

/** The report of `type` in what a sender or receiver says of itself. */
export async function report(
  from: RTCRtpReceiver | RTCRtpSender | RTCPeerConnection,
  type: string,
): Promise<Record<string, unknown> | undefined> {
  const reports = await from.getStats()
  for (const entry of reports.values()) if (entry.type === type) return entry
  return undefined
}

/** A number of a report, or 0 where the browser does not count it. */
export function count(entry: Record<string, unknown> | undefined, name: string): number {
  const value = entry?.[name]
  return typeof value === 'number' ? value : 0
}
