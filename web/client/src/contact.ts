import { count } from './media.js'
import type { Cancel, Platform } from './platform.js'

/** A connection by which nothing at all comes for this long, ms, has lost contact: sound comes 50 times a second, feedback 10
 * times, reports once. Lower: a change of networks is noticed sooner; higher: fewer connections that rest are taken for lost. */
const SILENCE_MS = 1200

/** Calls `lost` when nothing comes by `pc` from now on: neither media nor an answer to a check. */
export function contact(platform: Platform, pc: RTCPeerConnection, lost: () => void): Cancel {
  let over = false
  let cancel: Cancel = () => {}
  const look = async () => {
    const before = await arrived(pc)
    await new Promise<void>((done) => (cancel = platform.after(SILENCE_MS, done)))
    // Less than before: pairs of a network that is gone are counted no more.
    if ((await arrived(pc)) <= before && !over) lost()
  }
  // A connection that is closed meanwhile has no statistics.
  look().catch(() => {})
  return () => {
    over = true
    cancel()
  }
}

/** Something that grows with everything that arrives by the pairs that there are. */
async function arrived(pc: RTCPeerConnection): Promise<number> {
  let sum = 0
  for (const entry of (await pc.getStats()).values())
    if (entry.type === 'candidate-pair')
      sum += count(entry, 'bytesReceived') + count(entry, 'responsesReceived')
  return sum
}
