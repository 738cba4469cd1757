// A server that lives in the page: it relays signaling between two rooms and forwards media with peer connections of its
// own, so that links, transports and swaps run in a real browser with nothing else on the machine.
import type { ClientMessage, Direction, ServerMessage, Slot, Source, Track } from '../src/wire.js'

const SOURCES: Source[] = ['microphone', 'camera', 'screen', 'screen-audio']
const kindOf = (source: Source) => (source === 'camera' || source === 'screen' ? 'video' : 'audio')

/** Looks like a WebSocket to the library. */
export class PageSocket {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: (() => void) | null = null
  onerror: (() => void) | null = null
  constructor(private readonly world: World) {
    setTimeout(() => this.onopen?.())
  }
  send(text: string) {
    const message = JSON.parse(text) as ClientMessage
    setTimeout(() => this.world.receive(this, message))
  }
  close() {}
  say(message: ServerMessage) {
    const data = JSON.stringify(message)
    setTimeout(() => this.onmessage?.({ data }))
  }
}

interface Port {
  pc: RTCPeerConnection
  slots: Slot[]
  answered: Promise<void>
  answer(sdp: string): void
}

interface Member {
  id: string
  name: string
  socket: PageSocket
  tracks: Track[]
  generation: number
  ports: Partial<Record<Direction, Port>>
}

async function gathered(pc: RTCPeerConnection) {
  if (pc.iceGatheringState === 'complete') return
  await new Promise<void>((resolve) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve()
  })
}

export class World {
  readonly members = new Map<string, Member>()
  readonly log: { from: string; message: ClientMessage }[] = []
  epoch = 0
  #links = 0
  #tracks = 0
  #waiting: { ready: () => boolean; resolve: () => void }[] = []

  receive(socket: PageSocket, message: ClientMessage) {
    const member = [...this.members.values()].find((member) => member.socket === socket)
    if (message.type === 'join') this.#join(socket, message)
    else if (member) this.#handle(member, message)
    for (const waiting of this.#waiting) if (waiting.ready()) waiting.resolve()
    this.#waiting = this.#waiting.filter(({ ready }) => !ready())
  }

  /** Resolves once `ready` holds after a message. */
  async until(what: string, ready: () => boolean, ms = 10_000) {
    if (ready()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what} did not happen in ${ms} ms`)), ms)
      this.#waiting.push({ ready, resolve: () => (clearTimeout(timer), resolve()) })
    })
  }

  of<T extends ClientMessage['type']>(type: T) {
    return this.log.map(({ message }) => message).filter((message) => message.type === type) as Extract<
      ClientMessage,
      { type: T }
    >[]
  }

  /** Transports to the server, media held back. */
  async warm() {
    for (const member of this.members.values()) await this.#openUp(member)
    for (const member of this.members.values()) await this.#offerDown(member)
  }

  link() {
    const [a, b] = [...this.members.values()]
    if (!a || !b) throw new Error('two members')
    const link = ++this.#links
    a.socket.say({ type: 'link-open', peer: b.id, link, polite: true, data: true })
    b.socket.say({ type: 'link-open', peer: a.id, link, polite: false, data: true })
    return link
  }

  unlink() {
    this.#pairs((member, peer) => member.socket.say({ type: 'link-close', peer, link: this.#links }))
  }

  async order(carrier: 'mesh' | 'sfu') {
    const epoch = ++this.epoch
    this.#pairs((member, peer) => member.socket.say({ type: 'path', peer, carrier, epoch }))
    await this.until(
      `${carrier} shown`,
      () => this.of('shown').filter((shown) => shown.epoch === epoch).length === 2,
    )
  }

  mode(mode: 'mesh' | 'promoting' | 'sfu' | 'demoting') {
    for (const { socket } of this.members.values()) socket.say({ type: 'mode', mode, epoch: this.epoch })
  }

  sendUp(active: boolean) {
    for (const { socket } of this.members.values()) socket.say({ type: 'send-up', active })
  }

  /** What the server has received on a member's up transport, in packets of each kind. */
  async received(id: string) {
    const packets = { audio: 0, video: 0 }
    const stats = await this.members.get(id)?.ports.up?.pc.getStats()
    stats?.forEach((entry) => {
      if (entry.type === 'inbound-rtp') packets[entry.kind as 'audio' | 'video'] += entry.packetsReceived
    })
    return packets
  }

  #pairs(f: (member: Member, peer: string) => void) {
    for (const member of this.members.values())
      for (const { id } of this.members.values()) if (id !== member.id) f(member, id)
  }

  #others(member: Member) {
    return [...this.members.values()].filter((other) => other !== member)
  }

  #join(socket: PageSocket, join: Extract<ClientMessage, { type: 'join' }>) {
    const id = `p${this.members.size + 1}`
    const tracks = join.tracks.map((track) => ({ id: `t${++this.#tracks}`, ...track }))
    const member: Member = { id, name: join.name, socket, tracks, generation: 0, ports: {} }
    const wire = ({ id, name, tracks }: Member) => ({ id, name, tracks, away: false })
    const participants = [...this.members.values()].map(wire)
    const rest = {
      mode: 'mesh' as const,
      epoch: 0,
      legs: [],
      iceServers: [],
      heartbeatMs: 5000,
      graceMs: 10_000,
    }
    socket.say({
      type: 'welcome',
      version: 1,
      you: wire(member),
      secret: 's',
      resumed: false,
      maxMessageBytes: 65536,
      messagesPerSecond: 100,
      participants,
      ...rest,
    })
    for (const other of this.members.values())
      other.socket.say({ type: 'participant-joined', participant: wire(member) })
    this.members.set(id, member)
  }

  #handle(member: Member, message: ClientMessage) {
    this.log.push({ from: member.id, message })
    switch (message.type) {
      case 'link-description':
      case 'link-candidate':
        this.members.get(message.peer)?.socket.say({ ...message, peer: member.id })
        break
      case 'answer':
        member.ports[message.transport]?.answer(message.sdp)
        break
      case 'publish': {
        const track = { id: `t${++this.#tracks}`, source: message.source, muted: message.muted }
        member.tracks.push(track)
        for (const { socket } of this.members.values())
          socket.say({ type: 'track-published', participant: member.id, track })
        for (const other of this.#others(member)) if (other.ports.down) void this.#offerDown(other)
        break
      }
      case 'unpublish':
        member.tracks = member.tracks.filter(({ id }) => id !== message.track)
        for (const { socket } of this.members.values()) {
          socket.say({ type: 'track-unpublished', participant: member.id, track: message.track })
        }
        break
      case 'mute':
        for (const { socket } of this.#others(member)) {
          socket.say({
            type: 'track-muted',
            participant: member.id,
            track: message.track,
            muted: message.muted,
          })
        }
        break
    }
  }

  #port(): Port {
    const pc = new RTCPeerConnection()
    const port: Port = { pc, slots: [], answered: Promise.resolve(), answer: () => {} }
    return port
  }

  async #offer(member: Member, transport: Direction, port: Port) {
    const { pc } = port
    await pc.setLocalDescription()
    await gathered(pc)
    const mids = pc.getTransceivers().map(({ mid }) => mid ?? '')
    port.slots.forEach((slot, n) => (slot.mid = mids[n] ?? ''))
    port.answered = new Promise((resolve, reject) => {
      port.answer = (sdp) => pc.setRemoteDescription({ type: 'answer', sdp }).then(resolve, reject)
    })
    const sdp = pc.localDescription?.sdp ?? ''
    member.socket.say({ type: 'offer', transport, generation: 1, sdp, slots: port.slots })
    await port.answered
  }

  async #openUp(member: Member) {
    const port = (member.ports.up = this.#port())
    port.slots = SOURCES.map((source) => ({ mid: '', source }))
    for (const source of SOURCES) port.pc.addTransceiver(kindOf(source), { direction: 'recvonly' })
    await this.#offer(member, 'up', port)
  }

  async #offerDown(member: Member) {
    const port = (member.ports.down ??= this.#port())
    for (const other of this.#others(member)) {
      for (const { id, source } of other.tracks) {
        if (port.slots.some((slot) => slot.track === id)) continue
        const track = other.ports.up?.pc.getTransceivers()[SOURCES.indexOf(source)]?.receiver.track
        if (!track) throw new Error(`nothing arrives of ${id}`)
        port.pc.addTransceiver(track, { direction: 'sendonly' })
        port.slots.push({ mid: '', track: id })
      }
    }
    await this.#offer(member, 'down', port)
  }
}
