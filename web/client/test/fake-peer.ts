// A peer connection without a network: the signaling states, m-lines and transceivers of JSEP (RFC 8829), as far as the
// library leans on them. Its "SDP" is JSON. Everything is asynchronous, as in a browser.

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'
export interface Section {
  mid: string
  kind: string
  direction: Direction
}

/** A description with as much in it as the fakes need. */
export const sdpOf = (sections: Section[]) =>
  [
    'v=0',
    ...sections.flatMap(({ mid, kind, direction }) => [
      `m=${kind} 9 RTP 0`,
      `a=mid:${mid}`,
      `a=${direction}`,
    ]),
  ].join('\r\n') + '\r\n'

export function sectionsOf(sdp: string): Section[] {
  if (!sdp.startsWith('v=0\r\n')) throw new Error('no description')
  const sections = sdp.matchAll(/^m=(\w+) .*\r\na=mid:(.*)\r\na=(.*)\r\n/gm)
  return [...sections].map(([, kind = '', mid = '', direction]) => ({
    mid,
    kind,
    direction: direction as Direction,
  }))
}

let serial = 0

export class FakeTrack extends EventTarget {
  readonly id = `track-${++serial}`
  enabled = true
  contentHint = ''
  size = { width: 640, height: 480 }
  constructor(readonly kind: string) {
    super()
  }
  getSettings() {
    return this.kind === 'video' ? this.size : {}
  }
}

export class FakeStats {
  /** What getStats says as inbound-rtp. */
  inbound: Record<string, number> = {}
  async getStats() {
    return new Map([['in', { type: 'inbound-rtp', ...this.inbound }]])
  }
}

export class FakeReceiver extends FakeStats {
  sources: { rtpTimestamp: number; audioLevel: number }[] = []
  constructor(readonly track: FakeTrack) {
    super()
  }
  getSynchronizationSources() {
    return this.sources
  }
}

export class FakeSender extends FakeStats {
  encodings = [{ active: true, scaleResolutionDownBy: 1 }]
  constructor(public track: FakeTrack | null) {
    super()
  }
  async replaceTrack(track: FakeTrack | null) {
    this.track = track
  }
  setStreams() {}
  getParameters() {
    return { encodings: this.encodings.map((encoding) => ({ ...encoding })) }
  }
  async setParameters({ encodings }: { encodings: FakeSender['encodings'] }) {
    this.encodings = encodings
  }
}

export class FakeTransceiver {
  mid: string | null = null
  readonly receiver: FakeReceiver
  constructor(
    readonly kind: string,
    public direction: Direction,
    readonly sender: FakeSender,
    /** By addTrack: may be joined with an m-line of the other end. */
    readonly added: boolean,
  ) {
    this.receiver = new FakeReceiver(new FakeTrack(kind))
  }
}

export class FakeChannel {
  readyState = 'connecting'
  bufferedAmount = 0
  binaryType = ''
  onmessage: ((event: { data: unknown }) => void) | null = null
  readonly sent: number[][] = []
  send(frame: Uint8Array) {
    this.sent.push([...frame])
  }
  /** The other end has sent this. */
  receive(...bytes: number[]) {
    this.onmessage?.({ data: new Uint8Array(bytes).buffer })
  }
}

interface Described {
  type: 'offer' | 'answer'
  sdp: string
}

export class FakePeer {
  signalingState = 'stable'
  connectionState = 'new'
  localDescription: Described | null = null
  remoteDescription: Described | null = null
  onnegotiationneeded: (() => void) | null = null
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null
  onconnectionstatechange: (() => void) | null = null
  readonly transceivers: FakeTransceiver[] = []
  readonly candidates: unknown[] = []
  restarts = 0
  stats = new Map<string, object>()
  readonly channel = new FakeChannel()
  ondatachannel: ((event: { channel: FakeChannel }) => void) | null = null
  /** Own offers that gave way to the other end's. */
  rollbacks = 0
  #needed = false
  #channel = false
  #agreed = ''
  #fresh: FakeTransceiver[] = []
  #chain = Promise.resolve()

  constructor(public config: RTCConfiguration = {}) {}

  createDataChannel() {
    this.#channel = true
    this.#check()
    return this.channel
  }
  getTransceivers() {
    return this.transceivers
  }
  getSenders() {
    return this.transceivers.map(({ sender }) => sender)
  }
  addTrack(track: FakeTrack) {
    const free = this.transceivers.find((t) => t.kind === track.kind && !t.sender.track && t.added)
    const transceiver = free ?? new FakeTransceiver(track.kind, 'sendrecv', new FakeSender(track), true)
    transceiver.sender.track = track
    if (transceiver.direction === 'recvonly') transceiver.direction = 'sendrecv'
    if (!free) this.transceivers.push(transceiver)
    this.#check()
    return transceiver.sender
  }
  removeTrack(sender: FakeSender) {
    const transceiver = this.transceivers.find((t) => t.sender === sender)
    sender.track = null
    if (transceiver) transceiver.direction = 'recvonly'
    this.#check()
  }
  addTransceiver(kind: string, { direction }: { direction: Direction }) {
    const transceiver = new FakeTransceiver(kind, direction, new FakeSender(null), false)
    this.transceivers.push(transceiver)
    this.#check()
    return transceiver
  }
  restartIce() {
    this.restarts++
    this.#agreed = ''
    this.#check()
  }
  setConfiguration(config: RTCConfiguration) {
    if (this.signalingState === 'closed') throw new Error('closed')
    if (config.bundlePolicy !== this.config.bundlePolicy) throw new Error('only the servers may change')
    this.config = config
  }
  /** Uses a pair of candidates, as the browser tells in its statistics. */
  uses(local: string, remote: string) {
    this.stats = new Map(
      Object.entries({
        transport: { type: 'transport', selectedCandidatePairId: 'pair' },
        pair: { type: 'candidate-pair', localCandidateId: 'local', remoteCandidateId: 'remote' },
        local: { type: 'local-candidate', candidateType: local },
        remote: { type: 'remote-candidate', candidateType: remote },
      }),
    )
  }
  async getStats() {
    return this.stats
  }
  close() {
    this.signalingState = 'closed'
    this.connectionState = 'closed'
  }
  become(state: string) {
    this.connectionState = state
    this.onconnectionstatechange?.()
  }

  setLocalDescription() {
    return this.#operate(() => {
      const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer'
      if (type === 'offer') {
        this.#fresh = this.transceivers.filter(({ mid }) => mid === null)
        for (const t of this.#fresh) t.mid = `m${++serial}`
      }
      this.localDescription = { type, sdp: this.#sections() }
      this.#become(type === 'offer' ? 'have-local-offer' : 'stable')
    })
  }
  setRemoteDescription({ type, sdp }: Described) {
    return this.#operate(() => {
      if (type === 'offer' && this.signalingState === 'have-local-offer') this.#rollback()
      const wanted = type === 'offer' ? 'stable' : 'have-local-offer'
      if (this.signalingState !== wanted) throw new Error(`${type} in ${this.signalingState}`)
      this.remoteDescription = { type, sdp }
      if (type === 'offer') for (const section of sectionsOf(sdp)) this.#meet(section)
      this.#become(type === 'offer' ? 'have-remote-offer' : 'stable')
    })
  }
  async addIceCandidate(candidate: unknown) {
    if (!this.remoteDescription) throw new Error('no remote description')
    this.candidates.push(candidate)
  }

  #operate(work: () => void) {
    const done = this.#chain.then(() => new Promise<void>((resolve) => setTimeout(resolve, 1))).then(work)
    this.#chain = done.catch(() => {})
    return done
  }
  #rollback() {
    this.rollbacks++
    for (const t of this.#fresh) t.mid = null
    this.signalingState = 'stable'
  }
  #meet({ mid, kind, direction }: Section) {
    if (this.transceivers.some((t) => t.mid === mid)) return
    const own = this.transceivers.find((t) => t.added && t.mid === null && t.kind === kind)
    const sends = direction !== 'sendonly' && direction !== 'inactive'
    if (own && sends) own.mid = mid
    else {
      const t = new FakeTransceiver(kind, 'recvonly', new FakeSender(null), false)
      t.mid = mid
      this.transceivers.push(t)
    }
  }
  #sections() {
    return sdpOf(
      this.transceivers.flatMap(({ mid, kind, direction }) => (mid ? [{ mid, kind, direction }] : [])),
    )
  }
  #become(state: string) {
    this.signalingState = state
    if (state !== 'stable') return
    this.#agreed = `${this.#channel}${this.#sections()}`
    this.#needed = false
    this.#check()
  }
  #check() {
    setTimeout(() => {
      if (this.signalingState !== 'stable') return
      const now = `${this.#channel}${this.#sections()}`
      const needed = now !== this.#agreed || this.transceivers.some(({ mid }) => mid === null)
      if (needed && !this.#needed) this.onnegotiationneeded?.()
      this.#needed = needed
    })
  }
}
