import type { Participant, RemoteTrack, Room, RoomError, Source, TrackStats } from 'crescendo-client'
import { DevicePicker } from '../devices'
import { byId, h, setAttribute, setText } from '../dom'
import { setIcon, type IconName } from '../icons'
import { canShareScreen } from '../media'
import { type Choices, handOver, remember } from '../preferences'
import { Chat, parseChat, showCount } from './chat'
import { LegControl, supportedLegs } from './legs'
import { modeInWords, showMode } from './mode'
import type { Notices } from './notices'
import { Own, type OwnTracks } from './own'
import { displayName } from './person'
import { showPeople } from './people'
import { type Quality, qualityOf, worst } from './quality'
import { Stage } from './stage'

/** A running call: what happens in the room is drawn, what the person does is done in the room. */

/** How often connections are measured, in milliseconds. */
const STATS_MS = 1000

export type Ended = { by: 'self' } | { by: 'room'; code: string; message: string }

const parts = () => ({
  stage: byId('stage', HTMLElement),
  banner: byId('banner', HTMLElement),
  mode: byId('mode', HTMLElement),
  modeText: byId('mode-text', HTMLElement),
  alone: byId('alone', HTMLElement),
  side: byId('side', HTMLElement),
  livePill: byId('live-pill', HTMLAnchorElement),
  microphone: byId('microphone', HTMLButtonElement),
  camera: byId('camera', HTMLButtonElement),
  screen: byId('screen', HTMLButtonElement),
  people: byId('people', HTMLButtonElement),
  chat: byId('chat', HTMLButtonElement),
})

export class Session {
  readonly #parts = parts()
  readonly #stage: Stage
  readonly #own: Own
  readonly #chat: Chat
  readonly #legs: LegControl[] = []
  readonly #speaking = new Set<string>()
  readonly #qualities = new Map<string, Quality | undefined>()
  readonly #picker: DevicePicker
  readonly #ending = new AbortController()
  #panel: 'people' | 'chat' | undefined
  #unread = 0
  #joined = false
  /** The connection is lost: who comes and goes until it is back has not really moved. */
  #cutOff = false

  constructor(
    private readonly room: Room,
    private readonly roomName: string,
    private readonly choices: Choices,
    private readonly notices: Notices,
    private readonly ended: (how: Ended) => void,
  ) {
    const { stage, side } = this.#parts
    this.#stage = new Stage(stage)
    this.#own = new Own(
      room,
      choices,
      () => this.#ownChanged(),
      (text) => notices.show(text, 'problem'),
    )
    this.#chat = new Chat(byId('chat-panel', HTMLElement), async (message) => void (await room.send(message)))
    const { cameraId, microphoneId, speakerId } = choices
    this.#picker = new DevicePicker(
      {
        ...(cameraId && { camera: cameraId }),
        ...(microphoneId && { microphone: microphoneId }),
        ...(speakerId && { speaker: speakerId }),
      },
      (kind, id) => void this.#pick(kind, id),
    )
    byId('device-picker', HTMLElement).append(this.#picker.element)
    side.hidden = true
    this.#bind()
    this.#follow()
  }

  /** Joins with the tracks that are open already. Rejects with a `RoomError`. */
  async join(tracks: OwnTracks): Promise<void> {
    const stream = new MediaStream(Object.values(tracks))
    await this.room.join({ stream })
    this.#joined = true
    this.#stage.ensure('self', 'camera', true)
    if (this.choices.speakerId !== undefined) this.room.setSpeaker(this.choices.speakerId)
    showMode(this.#parts.mode, this.#parts.modeText, this.room.mode)
    this.#ownChanged()
    this.#measure()
    void this.#offerLegs()
  }

  /** Hangs up and lets go of camera, microphone and page. */
  async leave(): Promise<void> {
    this.#close()
    await this.room.leave().catch(() => {})
    this.ended({ by: 'self' })
  }

  /** Drops what a join that failed has left. */
  abandon(): void {
    this.#close()
  }

  #close(): void {
    this.#ending.abort()
    this.#own.close()
    this.#picker.close()
    this.#stage.clear()
  }

  // What happens in the room.

  #follow(): void {
    const { room, notices } = this
    room.on('participant-joined', (person: Participant) => {
      this.#draw()
      this.#tell(`${displayName(person.name)} joined`)
    })
    room.on('participant-left', (person: Participant) => {
      this.#stage.remove(person.id, 'camera')
      this.#stage.remove(person.id, 'screen')
      this.#speaking.delete(person.id)
      this.#draw()
      this.#tell(`${displayName(person.name)} left`)
    })
    room.on('participant-away', () => this.#draw())
    room.on('track-added', (track: RemoteTrack, person: Participant) => {
      this.#draw()
      if (track.source === 'screen') this.#tell(`${displayName(person.name)} shares a screen`)
    })
    room.on('track-removed', (track: RemoteTrack, person: Participant) => {
      track.detach()
      if (track.source === 'screen') this.#stage.remove(person.id, 'screen')
      this.#draw()
    })
    room.on('track-muted', () => this.#draw())
    room.on('local-track-ended', (track) => this.#ownEnded(track.source))
    room.on('mode-changed', (mode) => {
      showMode(this.#parts.mode, this.#parts.modeText, mode)
      const words = modeInWords(mode)
      if (words !== undefined && this.#joined) notices.say(words)
      this.#draw()
    })
    room.on('active-speakers', (ids: string[]) => {
      this.#speaking.clear()
      for (const id of ids) this.#speaking.add(id)
      this.#draw()
    })
    room.on('leg-changed', () => this.#drawLegs())
    room.on('message', ({ from, data }) => this.#message(data, from))
    room.on('reconnecting', () => {
      this.#cutOff = true
      this.#banner('Connection lost. Reconnecting…')
    })
    room.on('reconnected', () => {
      this.#cutOff = false
      this.#banner(undefined)
      notices.say('Reconnected.')
      this.#draw()
    })
    room.on('error', (error: RoomError) => this.#error(error))
    room.on('closed', (error) => {
      if (this.#ending.signal.aborted || !this.#joined) return
      this.#close()
      this.ended({ by: 'room', code: error?.code ?? 'interrupted', message: error?.message ?? '' })
    })
  }

  /** Shows who came, went or did something, unless it is the state of things at the beginning or after a break. */
  #tell(text: string): void {
    if (this.#joined && !this.#cutOff) this.notices.show(text)
  }

  #error(error: RoomError): void {
    // The room closes with a fatal one; it is told there.
    if (error.fatal || this.#ending.signal.aborted) return
    switch (error.code) {
      case 'path-stuck':
        return this.notices.say(error.message)
      case 'autoplay-blocked':
        return this.notices.show('Click or tap anywhere to hear the others')
      case 'sfu-lost':
        return this.notices.show(
          'The media server was lost. The call goes on as soon as there is another way.',
          'problem',
        )
      default:
        return this.notices.show(error.message, 'problem')
    }
  }

  #ownEnded(source: Source): void {
    if (source === 'camera' || source === 'microphone')
      this.notices.show(`Your ${source} was unplugged or taken away`, 'problem')
    this.#ownChanged()
  }

  #message(data: unknown, from: string): void {
    const message = parseChat(data)
    if (message === undefined) return
    const name = displayName(this.room.participants.get(from)?.name ?? '')
    this.#chat.add({ from, name, text: message.text, mine: false })
    if (this.#panel === 'chat') return
    this.#unread += 1
    showCount(byId('chat-count', HTMLElement), this.#unread)
    this.notices.show(`${name}: ${message.text.length > 80 ? `${message.text.slice(0, 79)}…` : message.text}`)
  }

  // What the page shows.

  #draw(): void {
    if (!this.#joined) return
    for (const person of this.room.participants.values()) this.#drawPerson(person)
    this.#drawOwn()
    const others = this.room.participants.size
    this.#parts.alone.hidden = others > 0 || this.#panel !== undefined
    setText(byId('people-count', HTMLElement), String(others + 1))
    if (this.#panel === 'people') this.#drawPeople()
    document.title =
      others > 0 ? `(${others + 1}) ${this.roomName} · Crescendo` : `${this.roomName} · Crescendo`
  }

  #drawPerson(person: Participant): void {
    const bySource = tracksOf(person)
    const { camera, screen, microphone } = bySource
    const shared = {
      name: person.name,
      away: person.away,
      speaking: this.#speaking.has(person.id),
      muted: microphone?.muted ?? true,
    }
    const tile = this.#stage.ensure(person.id, 'camera')
    const path = camera?.over ?? microphone?.over
    tile.show({
      ...shared,
      picture: camera !== undefined && !camera.muted,
      path,
      quality: this.#qualities.get(person.id),
    })
    camera?.attach(tile.media)
    if (screen !== undefined) {
      const large = this.#stage.ensure(person.id, 'screen')
      large.show({
        ...shared,
        speaking: false,
        picture: !screen.muted,
        path: screen.over,
        quality: undefined,
      })
      screen.attach(large.media)
    }
    const sounds = byId('audio', HTMLElement)
    microphone?.attach(sounds)
    bySource['screen-audio']?.attach(sounds)
  }

  #drawOwn(): void {
    const own = { name: this.choices.name, away: false, path: undefined, quality: undefined }
    const camera = this.#stage.ensure('self', 'camera', true)
    const picture = this.#own.picture('camera')
    camera.showOwn(picture)
    camera.show({
      ...own,
      picture: picture !== undefined,
      muted: !this.#own.on('microphone'),
      speaking: this.#speaking.has(this.room.id),
    })
    const screen = this.#own.picture('screen')
    if (screen === undefined) this.#stage.remove('self', 'screen')
    else {
      const tile = this.#stage.ensure('self', 'screen', true)
      tile.showOwn(screen)
      tile.show({ ...own, picture: true, muted: false, speaking: false })
    }
  }

  #drawPeople(): void {
    const others = [...this.room.participants.values()].map((person) => {
      const { microphone, camera, screen } = tracksOf(person)
      return {
        id: person.id,
        name: person.name,
        self: false,
        away: person.away,
        screen: screen !== undefined,
        microphone: microphone?.muted === false,
        camera: camera?.muted === false,
      }
    })
    const self = {
      id: 'self',
      name: this.choices.name,
      self: true,
      away: false,
      screen: this.#own.picture('screen') !== undefined,
      microphone: this.#own.on('microphone'),
      camera: this.#own.on('camera'),
    }
    showPeople(byId('people-panel', HTMLElement), [self, ...others])
  }

  #ownChanged(): void {
    const sharing = this.#own.picture('screen') !== undefined
    const [microphone, camera] = [this.#own.on('microphone'), this.#own.on('camera')]
    control(
      this.#parts.microphone,
      microphone ? 'microphone' : 'microphone-off',
      microphone ? 'Mute' : 'Unmute',
      microphone ? 'Mute microphone (m)' : 'Unmute microphone (m)',
    )
    control(
      this.#parts.camera,
      camera ? 'camera' : 'camera-off',
      camera ? 'Stop video' : 'Start video',
      camera ? 'Turn camera off (v)' : 'Turn camera on (v)',
    )
    control(
      this.#parts.screen,
      sharing ? 'screen-off' : 'screen',
      sharing ? 'Stop sharing' : 'Share',
      sharing ? 'Stop sharing the screen (s)' : 'Share the screen (s)',
    )
    this.#parts.microphone.dataset['on'] = String(microphone)
    this.#parts.camera.dataset['on'] = String(camera)
    this.#parts.screen.dataset['active'] = String(sharing)
    for (const device of ['camera', 'microphone'] as const)
      this.#picker.show(device, this.room.localTracks.get(device)?.track.getSettings().deviceId)
    void this.#picker.refresh()
    handOver(this.roomName, this.choices)
    this.#draw()
  }

  #banner(text: string | undefined): void {
    const { banner } = this.#parts
    banner.hidden = text === undefined
    banner.replaceChildren(...(text === undefined ? [] : [h('span', { class: 'spinner' }), text]))
  }

  /** Measures each connection for as long as the call goes on. */
  #measure(): void {
    const timer = setInterval(() => {
      this.room.stats().then(
        (tracks) => this.#measured(tracks),
        () => {},
      )
    }, STATS_MS)
    this.#ending.signal.addEventListener('abort', () => clearInterval(timer))
  }

  #measured(tracks: TrackStats[]): void {
    for (const id of this.room.participants.keys()) {
      const muted = (track: string) => this.room.participants.get(id)?.tracks.get(track)?.muted ?? true
      const theirs = tracks.filter(
        ({ participant, path, track }) => participant === id && path && !muted(track),
      )
      this.#qualities.set(
        id,
        worst(
          theirs.map(({ rttMs, lossPercent, longestGapMs, kind }) =>
            qualityOf({ rttMs, lossPercent, longestGapMs: kind === 'video' ? longestGapMs : undefined }),
          ),
        ),
      )
    }
    this.#draw()
  }

  // Legs.

  async #offerLegs(): Promise<void> {
    const places = {
      bar: byId('legs', HTMLElement),
      menu: byId('more-legs', HTMLElement),
      pops: byId('call', HTMLElement),
    }
    for (const kind of await supportedLegs()) {
      const control = new LegControl(kind, places, {
        start: async (wanted) =>
          void (await this.room.startLeg({ kind: wanted === 'record' ? 'record' : 'hls' })),
        stop: async (id) => void (await this.room.stopLeg(id)),
        page: (of) => (of === 'hls' ? new URL(`/watch/${this.roomName}`, location.href).href : undefined),
        copy: (text) => copyText(text, this.notices),
      })
      this.#legs.push(control)
    }
    this.#drawLegs()
  }

  #drawLegs(): void {
    const legs = [...this.room.legs.values()]
    // One that ended is shown only while there is no newer one.
    const latest = (kind: string) =>
      legs.findLast((leg) => leg.kind === kind && leg.state !== 'failed' && leg.state !== 'stopped') ??
      legs.findLast((leg) => leg.kind === kind)
    for (const control of this.#legs) control.show(latest(control.kind))
    const live = latest('hls')
    const { livePill } = this.#parts
    const shown = live !== undefined && live.state !== 'failed' && live.state !== 'stopped'
    if (livePill.hidden && shown) this.notices.say('This call is being broadcast.')
    if (!livePill.hidden && !shown)
      this.notices.show(live?.state === 'failed' ? 'The broadcast failed' : 'The broadcast has ended')
    livePill.hidden = !shown
    setAttribute(livePill, 'data-state', live?.state)
    setText(
      byId('live-pill-text', HTMLElement),
      live?.state === 'running' ? 'Live' : live?.state === 'waiting' ? 'Waiting' : 'Starting…',
    )
    livePill.title = live?.reason ?? 'Anyone with the link can watch this call. Opens the page.'
    livePill.href = `/watch/${this.roomName}`
    document.body.dataset['legState'] = live?.state ?? 'none'
  }

  // What the person does.

  #bind(): void {
    const { signal } = this.#ending
    const on = (id: string, act: () => unknown) =>
      byId(id, HTMLElement).addEventListener('click', () => void act(), { signal })
    const link = new URL(`/r/${this.roomName}`, location.href).href
    const share = canShareScreen()
    const acts = {
      microphone: () => this.#own.toggle('microphone'),
      camera: () => this.#own.toggle('camera'),
      screen: () => (share ? this.#own.toggleScreen() : undefined),
      chat: () => this.#open('chat'),
      people: () => this.#open('people'),
      copy: () => copyText(link, this.notices),
    }
    for (const [id, act] of Object.entries(acts)) on(id, act)
    on('side-close', () => this.#open(undefined))
    on('leave', () => this.leave())
    on('alone-copy', acts.copy)
    byId('alone-link', HTMLInputElement).value = link
    this.#parts.screen.hidden = !share
    const menu = byId('more-menu', HTMLElement)
    for (const item of menu.querySelectorAll<HTMLButtonElement>('[data-for]')) {
      const name = item.dataset['for'] as keyof typeof acts
      item.hidden = name === 'screen' && !share
      item.addEventListener('click', () => (menu.hidePopover(), void acts[name]()), { signal })
    }
    const keys: Record<string, () => unknown> = {
      m: acts.microphone,
      v: acts.camera,
      s: acts.screen,
      c: acts.chat,
      p: acts.people,
      '?': () => byId('help', HTMLElement).togglePopover(),
    }
    document.addEventListener(
      'keydown',
      (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) {
          if (event.key === 'Escape' && this.#panel !== undefined) this.#open(undefined)
          return
        }
        if (event.key === 'Escape') return this.#open(undefined)
        const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key]
        if (act === undefined) return
        event.preventDefault()
        void act()
      },
      { signal },
    )
  }

  /** Opens a panel, or closes it when it is open already. */
  #open(panel: 'people' | 'chat' | undefined): void {
    const before = this.#panel
    this.#panel = panel === before ? undefined : panel
    const { side, people, chat } = this.#parts
    side.hidden = this.#panel === undefined
    byId('people-panel', HTMLElement).hidden = this.#panel !== 'people'
    byId('chat-panel', HTMLElement).hidden = this.#panel !== 'chat'
    people.setAttribute('aria-expanded', String(this.#panel === 'people'))
    chat.setAttribute('aria-expanded', String(this.#panel === 'chat'))
    setText(byId('side-title', HTMLElement), this.#panel === 'chat' ? 'Chat' : 'People')
    if (this.#panel === 'chat') {
      this.#unread = 0
      showCount(byId('chat-count', HTMLElement), 0)
      this.#chat.focus()
      this.notices.clear()
    } else if (this.#panel === undefined && before !== undefined) this.#parts[before].focus()
    this.#draw()
  }

  async #pick(kind: 'camera' | 'microphone' | 'speaker', id: string): Promise<void> {
    if (kind !== 'speaker') await this.#own.pick(kind, id)
    else {
      this.choices.speakerId = id
      this.room.setSpeaker(id)
    }
    remember(this.choices)
    handOver(this.roomName, this.choices)
  }
}

type BySource = Partial<Record<RemoteTrack['source'], RemoteTrack>>

function tracksOf(person: Participant): BySource {
  const found: BySource = {}
  for (const track of person.tracks.values()) found[track.source] = track
  return found
}

function control(button: HTMLButtonElement, name: IconName, text: string, title: string): void {
  setIcon(button, name)
  const label = button.querySelector('.control-text')
  if (label !== null) setText(label, text)
  button.title = title
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLInputElement ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement
  )
}

async function copyText(text: string, notices: Notices): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    notices.show('Link copied')
  } catch {
    // No clipboard without https: let the person copy it by hand.
    window.prompt('Copy this link:', text)
  }
}
