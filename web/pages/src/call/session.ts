import type { Participant, RemoteTrack, Room, RoomError, Source } from 'crescendo-client'
import { DevicePicker, type DeviceKind } from '../devices'
import { byId, h, setText } from '../dom'
import { type Choices, handOver, remember } from '../preferences'
import { Broadcasts } from './broadcasts'
import { bindControls, showDevice } from './controls'
import { modeInWords, showMode } from './mode'
import type { Notices } from './notices'
import { Own, type OwnTracks } from './own'
import { displayName } from './person'
import { Side } from './side'
import { View } from './view'

/** A running call: what happens in the room is drawn, what the person does is done in the room. */

/** How often connections are measured, in milliseconds. */
const STATS_MS = 1000

export type Ended = { by: 'self' } | { by: 'room'; code: string; message: string }

export class Session {
  readonly #own: Own
  readonly #view: View
  readonly #side: Side
  readonly #broadcasts: Broadcasts
  readonly #picker: DevicePicker
  readonly #ending = new AbortController()
  #joined = false
  /** The connection is lost: who comes and goes until it is back has not really moved. */
  #cutOff = false

  constructor(
    private readonly room: Room,
    private readonly choices: Choices,
    private readonly notices: Notices,
    private readonly ended: (how: Ended) => void,
    private readonly encrypted: boolean,
  ) {
    const problem = (text: string) => notices.show(text, 'problem')
    const own = (this.#own = new Own(room, choices, () => this.#ownChanged(), problem))
    const side = (this.#side = new Side(
      (message) => room.send(message),
      notices,
      () => this.#draw(),
    ))
    this.#view = new View(room, own, choices.name)
    this.#broadcasts = new Broadcasts(room, notices, (text) => this.#copy(text))
    this.#picker = new DevicePicker(choices, (kind, id) => void this.#pick(kind, id))
    byId('device-picker', HTMLElement).append(this.#picker.element)
    byId('alone-link', HTMLInputElement).value = this.#link
    const acts = {
      microphone: () => own.toggle('microphone'),
      camera: () => own.toggle('camera'),
      screen: () => own.toggleScreen(),
      chat: () => side.toggle('chat'),
      people: () => side.toggle('people'),
      copy: () => this.#copy(this.#link),
      close: () => side.close(),
      leave: () => this.leave(),
    }
    bindControls(acts, this.#ending.signal)
    this.#followPeople()
    this.#followConnection()
  }

  /** Whether the person has left already. */
  get over(): boolean {
    return this.#ending.signal.aborted
  }

  /** Joins with the tracks that are open already. Rejects with a `RoomError`. */
  async join(tracks: OwnTracks): Promise<void> {
    await this.room.join({ stream: new MediaStream(Object.values(tracks)) })
    this.#joined = true
    if (this.choices.speakerId !== undefined) this.room.setSpeaker(this.choices.speakerId)
    showMode(this.room.mode)
    this.#ownChanged()
    const timer = setInterval(() => void this.#measure(), STATS_MS)
    this.#ending.signal.addEventListener('abort', () => clearInterval(timer))
    if (!this.encrypted) void this.#broadcasts.offer()
  }

  /** Hangs up and lets go of camera, microphone and page. */
  async leave(): Promise<void> {
    this.close()
    await this.room.leave()
    this.ended({ by: 'self' })
  }

  /** Lets go of camera, microphone and page. */
  close(): void {
    this.#ending.abort()
    this.#own.close()
    this.#picker.close()
    this.#view.clear()
  }

  #followPeople(): void {
    const { room } = this
    room.on('participant-joined', (person: Participant) => {
      this.#draw()
      this.#tell(`${displayName(person.name)} joined`)
    })
    room.on('participant-left', (person: Participant) => {
      this.#view.removePerson(person.id)
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
      if (track.source === 'screen') this.#view.removeScreen(person.id)
      this.#draw()
    })
    room.on('track-muted', () => this.#draw())
    room.on('active-speakers', (ids) => {
      this.#view.speak(ids)
      this.#draw()
    })
    room.on('message', ({ from, data }) => {
      this.#side.receive(from, displayName(room.participants.get(from)?.name ?? ''), data)
    })
    room.on('local-track-ended', ({ source }) => this.#ownEnded(source))
  }

  /** Where others come in. */
  get #link(): string {
    return new URL(`/r/${this.room.name}${this.encrypted ? location.hash : ''}`, location.href).href
  }

  #followConnection(): void {
    const { room, notices } = this
    room.on('mode-changed', (mode) => {
      showMode(mode)
      const words = modeInWords(mode)
      if (words !== undefined && this.#joined) notices.say(words)
      this.#draw()
    })
    room.on('leg-changed', () => this.#broadcasts.draw())
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
    room.on('moved', (name) => {
      this.#cutOff = false
      this.#banner(undefined)
      history.replaceState(null, '', this.#link)
      byId('alone-link', HTMLInputElement).value = this.#link
      setText(byId('room-name', HTMLElement), name)
      this.#broadcasts.draw()
      this.#ownChanged()
      notices.show(`You were moved to the room ${name}`)
    })
    room.on('error', (error) => this.#error(error))
    room.on('closed', (error) => {
      if (this.over || !this.#joined) return
      this.close()
      this.ended({ by: 'room', code: error?.code ?? 'interrupted', message: error?.message ?? '' })
    })
  }

  /** Shows who came, went or did something, unless it is the state of things at the beginning or after a break. */
  #tell(text: string): void {
    if (this.#joined && !this.#cutOff) this.notices.show(text)
  }

  #error(error: RoomError): void {
    // The room closes with a fatal one; it is told there.
    if (error.fatal || this.over) return
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
    const device = source === 'camera' || source === 'microphone'
    if (device) this.notices.show(`Your ${source} was unplugged or taken away`, 'problem')
    this.#ownChanged()
  }

  #ownChanged(): void {
    const { localTracks } = this.room
    showDevice('microphone', this.#own.on('microphone'))
    showDevice('camera', this.#own.on('camera'))
    showDevice('screen', this.#own.picture('screen') !== undefined)
    for (const device of ['camera', 'microphone'] as const) {
      this.#picker.show(device, localTracks.get(device)?.track.getSettings().deviceId)
    }
    void this.#picker.refresh()
    handOver(this.room.name, this.choices)
    this.#draw()
  }

  #draw(): void {
    if (!this.#joined || this.over) return
    this.#view.draw()
    const others = this.room.participants.size
    byId('alone', HTMLElement).hidden = others > 0 || this.#side.isOpen
    document.title = `${others > 0 ? `(${others + 1}) ` : ''}${this.room.name} · Crescendo`
  }

  async #measure(): Promise<void> {
    const tracks = await this.room.stats().catch(() => undefined)
    if (tracks === undefined) return
    this.#view.measured(tracks)
    this.#draw()
  }

  #banner(text: string | undefined): void {
    const banner = byId('banner', HTMLElement)
    banner.hidden = text === undefined
    banner.replaceChildren(...(text === undefined ? [] : [h('span', { class: 'spinner' }), text]))
  }

  async #pick(kind: DeviceKind, id: string): Promise<void> {
    if (kind === 'speaker') {
      this.choices.speakerId = id
      this.room.setSpeaker(id)
    } else await this.#own.pick(kind, id)
    remember(this.choices)
    handOver(this.room.name, this.choices)
  }

  async #copy(text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text)
      this.notices.show('Link copied')
    } catch {
      // No clipboard without https: let the person copy it by hand.
      window.prompt('Copy this link:', text)
    }
  }
}
