import { RoomError } from './error.js'
import type { Cancel, Platform } from './platform.js'
import type { ClientMessage, ErrorCode, Resume, ServerMessage } from './wire.js'

/** An attempt that has brought no welcome after this long is given up, ms. */
const CONNECT_MS = 10_000
/** Pauses before attempts to come back, ms; the last one repeats. Each is stretched by up to JITTER, so that the clients of
 * a restarted server do not all come in the same moment. */
const PAUSES_MS = [200, 500, 1000, 2000, 4000, 5000]
const JITTER = 0.3
/** A socket that was silent for this many heartbeats is taken for lost. Each is answered, so one may go astray. */
const SILENT_BEATS = 2.5
/** A socket that says nothing for this long, ms, when contact may be lost, is lost. */
const PROBE_MS = 2000
/** Messages that may wait for a lost socket. With more the session is not resumed but joined anew. */
const WAITING_MAX = 512
/** Fatal errors after which coming back is what to do. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set(['shutting-down', 'timeout'])

export type Welcome = Extract<ServerMessage, { type: 'welcome' }>

export interface SocketHost {
  /** The first message; `resume` when a lost socket's session is to go on. */
  hello(resume: Resume | undefined): ClientMessage
  /** Everything but heartbeats, in order. A `welcome` that is not resumed begins a new session. */
  message(message: ServerMessage): void
  /** The socket is lost; attempts to come back begin. */
  lost(): void
  /** Over for good. */
  ended(error: RoomError): void
}

interface Session {
  resume: Resume
  graceMs: number
  heartbeatMs: number
}

type State =
  | { is: 'closed' }
  | { is: 'connecting'; ws: WebSocket; patience: Cancel }
  | { is: 'joined'; ws: WebSocket; session: Session; beat: Cancel; silence: Cancel }
  | { is: 'pausing'; cancel: Cancel }

const say = (ws: WebSocket, message: ClientMessage): void => ws.send(JSON.stringify(message))

/** The signaling connection: one session over as many sockets as it takes. */
export class Socket {
  #state: State = { is: 'closed' }
  /** The session to resume, as long as the server keeps it. */
  #session: Session | undefined
  #joinedOnce = false
  #lostAt = 0
  #attempt = 0
  #waiting: ClientMessage[] = []
  readonly #offline: Cancel

  constructor(
    private readonly platform: Platform,
    private readonly url: string,
    private readonly maxReconnectMs: number,
    private readonly host: SocketHost,
  ) {
    this.#offline = platform.onOnline(() => {
      this.probe()
      if (this.#state.is !== 'pausing') return
      this.#state.cancel()
      this.open()
    })
  }

  open(): void {
    let ws: WebSocket
    try {
      ws = this.platform.socket(this.url)
    } catch {
      this.#end(new RoomError('unreachable', `${this.url} is no address of a server`, true))
      return
    }
    const patience = this.platform.after(CONNECT_MS, () => this.#lose(ws))
    this.#state = { is: 'connecting', ws, patience }
    ws.onopen = () => say(ws, this.host.hello(this.#resume()))
    ws.onmessage = ({ data }) => this.#isCurrent(ws) && this.#read(ws, data)
    ws.onclose = ws.onerror = () => this.#lose(ws)
  }

  /** Sends now, or after a lost socket has been replaced. */
  send(message: ClientMessage): void {
    if (this.#state.is === 'joined') {
      say(this.#state.ws, message)
    } else if (this.#session && this.#waiting.length < WAITING_MAX) {
      this.#waiting.push(message)
    } else {
      this.#forget()
    }
  }

  /** The session is over, and another one begins. */
  renew(): void {
    this.#forget()
    this.#leaveState()
    this.#attempt = 0
    this.#lostAt = this.platform.now()
    this.open()
  }

  /** Says good-bye and is closed for good. */
  close(last?: ClientMessage): void {
    const state = this.#state
    if (last && state.is === 'joined') say(state.ws, last)
    this.#forget()
    this.#offline()
    this.#leaveState()
    this.#state = { is: 'closed' }
  }

  #read(ws: WebSocket, data: unknown): void {
    let message: ServerMessage
    try {
      message = JSON.parse(String(data))
    } catch {
      return
    }
    if (this.#state.is === 'joined') this.#listen(this.#state)
    if (message.type === 'pong') return
    if (message.type === 'welcome') this.#welcome(ws, message)
    else if (message.type === 'error') this.#error(ws, message)
    else this.host.message(message)
  }

  #welcome(ws: WebSocket, welcome: Welcome): void {
    if (this.#state.is !== 'connecting') return
    this.#state.patience()
    const resume = { participant: welcome.you.id, secret: welcome.secret }
    const session = { resume, graceMs: welcome.graceMs, heartbeatMs: welcome.heartbeatMs }
    const state = { is: 'joined' as const, ws, session, beat: () => {}, silence: () => {} }
    const waiting = welcome.resumed ? this.#waiting : []
    this.#waiting = []
    this.#session = session
    this.#state = state
    this.#joinedOnce = true
    this.#attempt = 0
    this.#listen(state)
    this.#beat(state)
    for (const message of waiting) say(state.ws, message)
    this.host.message(welcome)
  }

  #error(ws: WebSocket, message: Extract<ServerMessage, { type: 'error' }>): void {
    const joining = this.#state.is === 'connecting'
    if (message.code === 'resume-refused') {
      this.#forget()
      this.#leaveState()
      this.open()
    } else if (this.#joinedOnce && TRANSIENT.has(message.code)) {
      this.#lose(ws)
    } else if (message.fatal || joining) {
      this.#end(new RoomError(message.code, message.message, true))
    } else {
      this.host.message(message)
    }
  }

  /** `ws` is gone, or as good as gone. */
  #lose(ws: WebSocket): void {
    if (!this.#isCurrent(ws)) return
    const wasJoined = this.#state.is === 'joined'
    this.#leaveState()
    if (!this.#joinedOnce) {
      this.#end(new RoomError('unreachable', `no server answers at ${this.url}`, true))
      return
    }
    const now = this.platform.now()
    if (wasJoined) this.#lostAt = now
    const pause = PAUSES_MS[Math.min(this.#attempt++, PAUSES_MS.length - 1)] ?? 0
    const ms = pause * (1 + JITTER * this.platform.random())
    if (now + ms - this.#lostAt > this.maxReconnectMs) {
      this.#end(new RoomError('unreachable', 'the server did not come back', true))
      return
    }
    this.#state = { is: 'pausing', cancel: this.platform.after(ms, () => this.open()) }
    if (wasJoined) this.host.lost()
  }

  #end(error: RoomError): void {
    this.close()
    this.host.ended(error)
  }

  /** Proof of who we were, while it is worth something. */
  #resume(): Resume | undefined {
    if (this.#session && this.platform.now() - this.#lostAt > this.#session.graceMs) this.#forget()
    return this.#session?.resume
  }

  #forget(): void {
    this.#session = undefined
    this.#waiting = []
  }

  /** A ping at each beat, whatever else is sent: little of it is answered, and a socket that says nothing is taken for lost. */
  #beat(state: State & { is: 'joined' }): void {
    state.beat = this.platform.after(state.session.heartbeatMs, () => {
      this.#ping(state)
      this.#beat(state)
    })
  }

  #ping({ ws }: State & { is: 'joined' }): void {
    say(ws, { type: 'ping', at: this.platform.now() })
  }

  #listen(state: State & { is: 'joined' }): void {
    state.silence()
    state.silence = this.platform.after(SILENT_BEATS * state.session.heartbeatMs, () => this.#lose(state.ws))
  }

  get stands(): boolean {
    return this.#state.is === 'joined'
  }

  /** In another network, perhaps, nothing leads to where the socket ends. */
  probe(): void {
    const state = this.#state
    if (state.is !== 'joined') return
    this.#ping(state)
    state.silence()
    state.silence = this.platform.after(PROBE_MS, () => this.#lose(state.ws))
  }

  #isCurrent(ws: WebSocket): boolean {
    const state = this.#state
    return (state.is === 'connecting' || state.is === 'joined') && state.ws === ws
  }

  #leaveState(): void {
    const state = this.#state
    this.#state = { is: 'closed' }
    switch (state.is) {
      case 'closed':
        return
      case 'pausing':
        return state.cancel()
      case 'connecting':
        state.patience()
        break
      case 'joined':
        state.beat()
        state.silence()
        break
    }
    state.ws.onclose = state.ws.onerror = state.ws.onmessage = state.ws.onopen = null
    state.ws.close()
  }
}
