import { browser, type Platform } from '../src/platform.js'
import type { ClientMessage, ServerMessage } from '../src/wire.js'
import { FakePeer, FakeTrack } from './fake-peer.js'

export class FakeStream {
  constructor(readonly tracks: FakeTrack[] = []) {}
  getAudioTracks() {
    return this.tracks.filter(({ kind }) => kind === 'audio')
  }
  getVideoTracks() {
    return this.tracks.filter(({ kind }) => kind === 'video')
  }
  addTrack(track: FakeTrack) {
    this.tracks.push(track)
  }
  removeTrack(track: FakeTrack) {
    this.tracks.splice(this.tracks.indexOf(track), 1)
  }
}

/** A media element that presents when the test says so. */
export class FakeElement extends EventTarget {
  srcObject: FakeStream | null = null
  muted = false
  volume = 1
  hidden = false
  className = ''
  readyState = 0
  playsInline = false
  disablePictureInPicture = false
  readonly style: Record<string, string> = {}
  #callbacks: ((now: number) => void)[] = []
  constructor(readonly tagName: string) {
    super()
  }
  async play() {}
  remove() {}
  requestVideoFrameCallback(f: (now: number) => void) {
    this.#callbacks.push(f)
    return 0
  }
  /** A frame is presented. */
  present(now = performance.now()) {
    this.readyState = 2
    for (const f of this.#callbacks.splice(0)) f(now)
  }
}

/** The server's end of a socket. */
export class FakeSocket {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: (() => void) | null = null
  onerror: (() => void) | null = null
  closed = false
  readonly sent: ClientMessage[] = []
  constructor(readonly url: string) {}
  /** The server answers pings. */
  answers = false
  send(text: string) {
    const message: ClientMessage = JSON.parse(text)
    this.sent.push(message)
    if (this.answers && message.type === 'ping')
      queueMicrotask(() => this.say({ type: 'pong', at: message.at }))
  }
  close() {
    this.closed = true
  }
  /** The server accepts. */
  accept() {
    this.onopen?.()
  }
  /** The network goes away. */
  drop() {
    this.closed = true
    this.onclose?.()
  }
  say(message: ServerMessage) {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
  of<T extends ClientMessage['type']>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.sent.filter((message) => message.type === type) as Extract<ClientMessage, { type: T }>[]
  }
}

export class FakePlatform {
  readonly sockets: FakeSocket[] = []
  readonly peers: FakePeer[] = []
  readonly elements: FakeElement[] = []
  isHidden = false
  readonly seen = new Set<() => void>()
  gesture: (() => void) | undefined
  /** Elements whose size is looked at. */
  readonly views = new Map<unknown, (size: { width: number; height: number }) => void>()

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1)
    if (!socket) throw new Error('no socket was opened')
    return socket
  }

  /** Videos that play something now, the oldest first. */
  get playing(): FakeElement[] {
    return this.elements.filter(({ srcObject }) => srcObject !== null)
  }

  as(): Platform {
    const element = (name: string) => {
      const made = new FakeElement(name)
      this.elements.push(made)
      return made as never
    }
    return {
      ...browser,
      origin: () => 'https://call.example',
      socket: (url) => {
        this.sockets.push(new FakeSocket(url))
        return this.socket as never
      },
      peer: (config) => {
        const peer = new FakePeer(config)
        this.peers.push(peer)
        return peer as never
      },
      stream: (tracks) => new FakeStream([...(tracks as never[])]) as never,
      video: () => element('VIDEO'),
      audio: () => element('AUDIO'),
      hidden: () => this.isHidden,
      onVisibility: (f) => {
        this.seen.add(f)
        return () => this.seen.delete(f)
      },
      onView: (element, f) => {
        this.views.set(element, f)
        return () => this.views.delete(element)
      },
      onGesture: (f) => {
        this.gesture = f
        return () => {}
      },
      onOnline: () => () => {},
      onUnload: () => () => {},
      frames: (_, f) => void setTimeout(f, 33),
      random: () => 0.5,
      decodes: () => ['H264', 'VP8'],
    }
  }
}

export const camera = () => new FakeTrack('video') as FakeTrack & MediaStreamTrack
export const microphone = () => new FakeTrack('audio') as FakeTrack & MediaStreamTrack
export const streamOf = (...tracks: FakeTrack[]) => new FakeStream(tracks) as unknown as MediaStream
