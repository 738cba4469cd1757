// One app on Ant Media's SDK, as it comes from npm. The lab drives it through window.lab.
import { WebRTCAdaptor } from '/sdk/index.js'
import { camera, microphone } from './camera.js'
import { ways } from './connections.js'

const events = []
let adaptor
/** Remote tracks: [{ streamId, trackId, track, video }]. */
const remote = []

function added({ streamId, trackId, track }) {
  const entry = { streamId, trackId, track }
  remote.push(entry)
  if (track.kind === 'video') {
    entry.video = Object.assign(document.createElement('video'), { autoplay: true, muted: true, playsInline: true })
    entry.video.srcObject = new MediaStream([track])
    document.body.append(entry.video)
  }
  // As the conference pages do: removal is seen by the stream that loses it.
  const end = () => (entry.ended = true)
  track.addEventListener('ended', end)
}

const watched = stream =>
  stream?.addEventListener('removetrack', ({ track }) => {
    events.push({ at: Date.now(), name: 'removetrack', detail: { trackId: track.id } })
    for (const entry of remote) if (entry.track === track) entry.ended = true
  })

window.lab = {
  events,
  /** Opens the socket with own media, or with none to watch only; `relayed`: with the relay that the server tells of. */
  async open({ url, number, play = false, relayed = false }) {
    let localStream
    if (!play) {
      const [picture, sound] = [await camera(number), await microphone(400 + 200 * number)]
      localStream = new MediaStream([picture.track, sound.track])
    }
    await new Promise((done, failed) => {
      adaptor = new WebRTCAdaptor({
        websocket_url: url,
        mediaConstraints: play ? { video: false, audio: false } : { video: true, audio: true },
        // Who names servers is not told the server's own.
        ...(!relayed && { peerconnection_config: { iceServers: [] } }),
        localStream,
        isPlayMode: play,
        callback(name, detail) {
          if (name === 'pong') return
          if (name === 'newTrackAvailable') {
            added(detail)
            watched(detail.stream)
          }
          const { stream: _, track: __, ...rest } = detail ?? {}
          if (rest.data instanceof ArrayBuffer) rest.data = [...new Uint8Array(rest.data)]
          const plain = typeof detail === 'object' ? JSON.parse(JSON.stringify(rest)) : { value: detail }
          events.push({ at: Date.now(), name, detail: plain })
          if (name === 'initialized') done()
        },
        callbackError(error, message) {
          events.push({ at: Date.now(), name: 'error', detail: { definition: String(error), ...plainOf(message) } })
          if (error === 'WebSocketNotConnected') failed(new Error('the socket did not open'))
        },
      })
    })
  },
  call: (name, ...args) => void adaptor[name](...args),
  sendBytes: (id, bytes) => void adaptor.sendData(id, new Uint8Array(bytes)),
  /** A command that the SDK has no method for, or a frame that it would never send. */
  raw: text => adaptor.webSocketAdaptor.wsConn.send(text),
  ways,
  /** What it was told so far. */
  told: () => events,
  cut: () => adaptor.webSocketAdaptor.wsConn.close(),
  socket: () => adaptor.webSocketAdaptor.wsConn.readyState,
  /** State of each peer connection by its id. */
  connections: () =>
    Object.fromEntries(
      Object.entries(adaptor.remotePeerConnection).map(([id, pc]) => [id, pc?.connectionState ?? 'none']),
    ),
  /** What was received so far: [{ streamId, trackId, kind, frames, packets, width, ended }]. */
  async received() {
    const all = []
    for (const { streamId, trackId, track, ended } of remote) {
      const pc = adaptor.remotePeerConnection[streamId]
      const receiver = pc?.getReceivers().find(receiver => receiver.track === track)
      const reports = receiver ? [...(await receiver.getStats()).values()] : []
      const inbound = reports.find(report => report.type === 'inbound-rtp')
      const { framesDecoded: frames = 0, packetsReceived: packets = 0, frameWidth: width = 0 } = inbound ?? {}
      all.push({ streamId, trackId, kind: track.kind, frames, packets, width, ended: Boolean(ended) })
    }
    return all
  },
}

function plainOf(message) {
  try {
    return typeof message === 'object' ? JSON.parse(JSON.stringify(message)) : { message: String(message) }
  } catch {
    return {}
  }
}
