// A WHIP publisher and a WHEP player of some forty lines, on a plain RTCPeerConnection. The lab drives it through window.lab.
import { camera, microphone } from './camera.js'
import * as eye from './eye.js'

let pc, session, tag
/** Candidates that wait for the answer: only then is there somebody to tell. */
let gathered = []
/** Answers of the server: [{ method, status, location, tag, links }]. */
const answers = []

async function ask(method, url, type, body, headers = {}) {
  if (type) headers['content-type'] = type
  const response = await fetch(url, { method, headers, body })
  const of = name => response.headers.get(name)
  answers.push({ method, status: response.status, location: of('location'), tag: of('etag'), links: of('link') })
  if (!response.ok) throw new Error(`${method} ${response.status}: ${await response.text()}`)
  tag = of('etag') ?? tag
  return response
}

/** What a description says of ICE, for the m-line that speaks for all (RFC 8840). */
function fragment(sdp, candidates = []) {
  const line = name => sdp.match(new RegExp(`^${name}:.*$`, 'm'))[0].trim()
  const media = sdp.match(/^m=(audio|video)/m)[1]
  const head = [line('a=ice-ufrag'), line('a=ice-pwd'), `m=${media} 9 RTP/AVP 0`, line('a=mid')]
  return [...head, ...candidates.map(({ candidate }) => `a=${candidate}`), ''].join('\r\n')
}

const patch = (candidates, match) =>
  ask('PATCH', session, 'application/trickle-ice-sdpfrag', fragment(pc.localDescription.sdp, candidates), {
    'if-match': match,
  })

async function open(url) {
  pc.onicecandidate = ({ candidate }) => {
    if (!candidate?.candidate) return
    gathered.push(candidate)
    if (tag) void patch(gathered.splice(0), tag)
  }
  await pc.setLocalDescription()
  // At once: candidates follow.
  const response = await ask('POST', url, 'application/sdp', pc.localDescription.sdp)
  session = new URL(response.headers.get('location'), url).href
  await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() })
  if (gathered.length > 0) await patch(gathered.splice(0), tag)
}

window.lab = {
  answers: () => answers,
  async publish({ url, number }) {
    pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
    for (const { track } of [await microphone(600), await camera(number)])
      pc.addTransceiver(track, { direction: 'sendonly' })
    await open(url)
  },
  async play({ url, name, number }) {
    pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
    const video = Object.assign(document.createElement('video'), { autoplay: true, muted: true, playsInline: true })
    const stream = new MediaStream()
    video.srcObject = stream
    // The eye looks at the middle of a tile.
    const tile = Object.assign(document.createElement('div'), { style: 'width: 320px; height: 240px' })
    video.style = 'display: block; width: 100%; height: 100%'
    tile.append(video)
    document.body.append(tile)
    pc.ontrack = ({ track }) => stream.addTrack(track)
    for (const kind of ['audio', 'video']) pc.addTransceiver(kind, { direction: 'recvonly' })
    eye.watch(name, tile, number, () => 'whep')
    await open(url)
  },
  /** ICE begins anew. */
  async restart() {
    pc.onicecandidate = null
    const former = pc.remoteDescription.sdp
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }))
    const text = await (await patch([], '*')).text()
    const of = name => text.match(new RegExp(`^a=${name}:(.*)$`, 'm'))[1].trim()
    const sdp = former
      .replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${of('ice-ufrag')}`)
      .replace(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${of('ice-pwd')}`)
    await pc.setRemoteDescription({ type: 'answer', sdp })
  },
  end: () => ask('DELETE', session).then(() => undefined),
  state: () => pc.connectionState,
  /** Packets of each kind that came. */
  async received() {
    const inbound = [...(await pc.getStats()).values()].filter(({ type }) => type === 'inbound-rtp')
    return Object.fromEntries(inbound.map(({ kind, packetsReceived }) => [kind, packetsReceived]))
  },
  /** As in the harness. */
  record: since => {
    const tiles = Object.fromEntries([...eye.tiles].map(([key, { runs }]) => [key, { runs }]))
    return { tiles, since, now: performance.timeOrigin + performance.now() }
  },
}
