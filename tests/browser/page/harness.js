// One participant. The lab drives it through window.lab.
import { camera, microphone } from './camera.js'
import { connections, ways } from './connections.js'
import * as eye from './eye.js'

const epoch = () => performance.timeOrigin + performance.now()
const events = []
const note = (name, detail) => events.push({ at: Date.now(), name, ...detail })
// Sockets, so that they can be cut and timed.
const sockets = []
/** Messages of the app that went over a socket, and all that have come. */
let said = 0
const heard = []
const NativeSocket = window.WebSocket
window.WebSocket = class extends NativeSocket {
  constructor(...args) {
    super(...args)
    sockets.push(this)
    this.addEventListener('open', () => (this.opened = epoch()))
  }
  send(text) {
    const { type, transport } = JSON.parse(text)
    if (type === 'message') said++
    // An answer is what the server acts upon: it is the request for what the transport brings.
    if (type === 'answer') this[`${transport}Answered`] ??= epoch()
    super.send(text)
  }
}
// When the decoder first handed a frame to the screen.
let firstFrame
const onFrame = HTMLVideoElement.prototype.requestVideoFrameCallback
HTMLVideoElement.prototype.requestVideoFrameCallback = function (f) {
  return onFrame.call(this, (now, frame) => {
    firstFrame ??= performance.timeOrigin + frame.presentationTime
    f(now, frame)
  })
}

let room
let stops = []

/** Names of participants end in their number, which the picture carries too: "lab-3". */
const numberOf = name => Number(name.match(/-(\d+)$/)?.[1] ?? 0)

function added(track, participant, listen) {
  const key = `${participant.name}/${track.source}`
  note('track-added', { key })
  if (track.kind === 'audio' && !listen) return
  let tile = document.getElementById(`tile-${participant.name}`)
  if (!tile) {
    tile = Object.assign(document.createElement('div'), { className: 'tile', id: `tile-${participant.name}` })
    document.querySelector('#tiles').append(tile)
  }
  if (track.kind === 'video') {
    const stage = Object.assign(document.createElement('div'), { className: 'stage' })
    tile.prepend(stage)
    track.attach(stage)
    eye.watch(participant.name, tile, numberOf(participant.name), () => track.over)
  } else {
    const sound = document.createElement('div')
    tile.append(sound)
    track.attach(sound)
  }
}

function removed(track, participant) {
  track.detach?.()
  note('track-removed', { key: `${participant.name}/${track.source}` })
  if (track.kind !== 'video') return
  eye.tiles.delete(participant.name)
  document.getElementById(`tile-${participant.name}`)?.remove()
}

window.lab = {
  /** What the Room has told so far. */
  events: () => events,
  /** Joins, and gives { ms } until join() was through. Rejects with the code of the error in its message. */
  async join({ url, room: name, number, tone = 0, video = true, listen = false, scale = 1, hard = false, encryption, library = '/client.js' }) {
    const { Room } = await import(library)
    stops = []
    firstFrame = undefined
    const tracks = []
    if (video) {
      const made = await camera(number, { scale, hard })
      tracks.push(made.track)
      stops.push(made.stop)
    }
    if (tone) {
      const made = await microphone(tone)
      tracks.push(made.track)
      stops.push(made.stop)
    }
    room = new Room({ url, room: name, name: `lab-${number}`, ...(encryption && { encryption }) })
    room.on('track-added', (track, participant) => added(track, participant, listen))
    room.on('track-removed', removed)
    room.on('participant-joined', p => note('participant-joined', { who: p.name }))
    room.on('participant-left', p => note('participant-left', { who: p.name }))
    room.on('mode-changed', (mode, epoch) => note('mode-changed', { mode, epoch }))
    room.on('leg-changed', leg => note('leg-changed', { leg }))
    room.on('moved', name => note('moved', { room: name }))
    room.on('reconnecting', () => note('reconnecting'))
    room.on('reconnected', () => note('reconnected'))
    room.on('error', error => note('error', { code: error.code, message: error.message, fatal: error.fatal }))
    room.on('closed', () => note('closed'))
    room.on('message', ({ from, data }) => {
      const bytes = data instanceof Uint8Array
      heard.push({ from: room.participants.get(from)?.name, data: bytes ? [...data] : data, bytes })
    })
    const begun = epoch()
    try {
      await room.join({ stream: tracks.length > 0 ? new MediaStream(tracks) : undefined })
    } catch (error) {
      throw new Error(`join: ${error.code}: ${error.message}`)
    }
    return { begun, ms: epoch() - begun }
  },
  /** Publishes the camera of one who joined without. */
  async publish(number) {
    const made = await camera(number)
    stops.push(made.stop)
    await room.publish(made.track)
  },
  /**
   * What its video encoders are told from now on: { active, scaleResolutionDownBy, maxFramerate }; `prefer`: what they keep when bits
   * are short.
   */
  async encode(settings, prefer) {
    const senders = connections.filter(({ pc }) => pc.signalingState !== 'closed').flatMap(({ pc }) => pc.getSenders())
    for (const sender of senders.filter(({ track }) => track?.kind === 'video')) {
      const parameters = sender.getParameters()
      for (const encoding of parameters.encodings) Object.assign(encoding, settings)
      if (prefer) parameters.degradationPreference = prefer
      await sender.setParameters(parameters)
    }
  },
  rotateKeys: secret => room.rotateKeys(secret),
  async leave() {
    await room.leave()
    for (const stop of stops) stop()
    room = undefined
    eye.tiles.clear()
    document.querySelector('#tiles').replaceChildren()
  },
  mute: (source, muted) => room.mute(source, muted),
  /** Whether a track is muted: one's own, or that of `name`. */
  isMuted(source, name) {
    if (name === undefined) return room.localTracks.get(source)?.muted
    const tracks = [...room.participants.values()].find(one => one.name === name)?.tracks.values() ?? []
    return [...tracks].find(track => track.source === source)?.muted
  },
  mode: () => room?.mode,
  startLeg: options => room.startLeg(options),
  stopLeg: id => room.stopLeg(id),
  stats: () => room.stats(),
  /** Shows somebody at another size, in CSS pixels. */
  resize(name, width, height) {
    const stage = document.querySelector(`#tile-${name} .stage`)
    for (const box of [stage, stage.parentElement]) Object.assign(box.style, { width: `${width}px`, height: `${height}px` })
  },
  /** Sends a message to everybody, or to the one of this name; with `bytes`, data is a list of numbers. */
  async send(data, { to, bytes, ...options } = {}) {
    const id = [...room.participants.values()].find(({ name }) => name === to)?.id
    await room.send(bytes ? new Uint8Array(data) : data, { ...options, ...(to ? { to: id } : {}) })
  },
  /** Sends numbers from 0 on, one every so many ms, and gives how many when the server has all of them. */
  async count({ ms, until }) {
    const sent = []
    while (sent.length < until) {
      sent.push(room.send({ count: sent.length }))
      await new Promise(done => setTimeout(done, ms))
    }
    await Promise.all(sent)
    return sent.length
  },
  /** Messages that have come, and how many were sent over the socket. */
  messages: () => ({ heard, said }),
  /** When the newest signaling socket opened and asked for media, and when the first frame of anybody was decoded. */
  joined: () => ({ opened: sockets.at(-1).opened, asked: sockets.at(-1).downAnswered, frame: firstFrame }),
  /** Cuts the newest signaling socket from underneath the client. */
  cut: () => sockets.at(-1).close(),
  /** What was seen: { tiles: { name: { runs, paths, doubled } }, late, blanks }; older than `since` left out. */
  record(since = 0) {
    const cutAt = (list, at) => {
      const first = list.findIndex(([when]) => when >= at)
      return first === -1 ? list.slice(-1) : list.slice(Math.max(0, first - 1))
    }
    const tiles = {}
    for (const [key, t] of eye.tiles)
      tiles[key] = { runs: cutAt(t.runs, since), paths: t.paths, doubled: t.doubled }
    const { late, blanks } = eye
    return {
      tiles,
      late: late.filter(([when]) => when >= since),
      blanks: blanks.filter(({ at }) => at >= since),
      now: epoch(),
    }
  },
  /** Forgets what was seen before `until`, so that long runs stay small. */
  forget(until) {
    for (const tile of eye.tiles.values()) {
      const first = tile.runs.findIndex(([when]) => when >= until)
      if (first > 1) tile.runs.splice(0, first - 1)
    }
    eye.blanks.splice(0, eye.blanks.findLastIndex(({ at }) => at < until) + 1)
  },
  /** What the browser counts of each stream that it receives, over all connections. */
  async inbound() {
    const all = await Promise.all(connections.map(({ pc }) => pc.getStats()))
    return all.flatMap(stats => [...stats.values()].filter(({ type }) => type === 'inbound-rtp'))
  },
  /** The same of each stream that it sends. */
  async outbound() {
    const all = await Promise.all(connections.map(({ pc }) => pc.getStats()))
    return all.flatMap(stats => [...stats.values()].filter(({ type }) => type === 'outbound-rtp'))
  },
  /** What each connection's sender takes the way to be good for, in bit/s. */
  async pairs() {
    const all = await Promise.all(connections.map(({ pc }) => pc.getStats()))
    return all.flatMap(stats => [...stats.values()].filter(e => e.type === 'candidate-pair' && e.nominated).map(e => e.availableOutgoingBitrate))
  },
  /** The UDP ports of this side of each connection. */
  async ports() {
    const all = await Promise.all(connections.map(({ pc }) => pc.getStats()))
    const pairs = stats => [...stats.values()].filter(e => e.type === 'candidate-pair' && e.nominated)
    return all.flatMap(stats => pairs(stats).map(e => stats.get(e.localCandidateId).port))
  },
  /** How the connections that stand get through: [{ ms (from made to connected), local, remote, over }]. */
  ways,
  /** Signaling changes and state of each peer connection that was made. */
  connections: () =>
    connections.map(({ pc, made, signaling }) => ({ made, signaling, state: pc.connectionState })),
}
