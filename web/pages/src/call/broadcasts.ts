import type { Leg, Room } from 'crescendo-client'
import { byId, setAttribute, setText } from '../dom'
import { followViewers, viewersText } from '../watch/viewers'
import { LegControl, supportedLegs } from './legs'
import type { Notices } from './notices'

/** The legs of a call: a control for each kind that the server has, and the sign that one is live. */
export class Broadcasts {
  readonly #controls: LegControl[] = []
  readonly #pill = byId('live-pill', HTMLAnchorElement)
  readonly #recording = byId('record-pill', HTMLElement)
  #viewers: number | undefined

  constructor(
    private readonly room: Room,
    private readonly notices: Notices,
    private readonly copy: (text: string) => Promise<void>,
  ) {
    this.#pill.hidden = this.#recording.hidden = true
    followViewers(
      () => room.name,
      () => !this.#pill.hidden,
      (count) => {
        this.#viewers = count
        this.draw()
      },
    )
  }

  get #page(): string {
    return `/watch/${this.room.name}`
  }

  /** Asks the server what it can do, and offers that. */
  async offer(): Promise<void> {
    const places = {
      bar: byId('legs', HTMLElement),
      menu: byId('more-legs', HTMLElement),
      pops: byId('call', HTMLElement),
    }
    for (const kind of await supportedLegs()) {
      const control = new LegControl(kind, places, {
        start: async (options) => void (await this.room.startLeg({ kind, ...options })),
        stop: async (id) => void (await this.room.stopLeg(id)),
        page: kind === 'hls' ? () => new URL(this.#page, location.href).href : undefined,
        copy: this.copy,
      })
      this.#controls.push(control)
    }
    this.draw()
  }

  draw(): void {
    this.#pill.href = this.#page
    for (const control of this.#controls) control.show(this.#latest(control.kind))
    this.#drawRecording(this.#latest('record'))
    const leg = this.#latest('hls')
    const live = isOn(leg)
    if (this.#pill.hidden && live) this.notices.show(`This call is being broadcast${this.#startedBy(leg)}`)
    if (!this.#pill.hidden && !live)
      this.notices.show(leg === undefined ? 'The broadcast has ended' : 'The broadcast failed')
    this.#pill.hidden = !live
    setAttribute(this.#pill, 'data-state', leg?.state)
    this.#pill.title = leg?.reason ?? 'Anyone with the link can watch this call. Opens the page.'
    const state = leg?.state === 'running' ? 'Live' : leg?.state === 'waiting' ? 'Waiting' : 'Starting…'
    const watched = viewersText(live ? this.#viewers : undefined)
    const text = `${state}${this.#startedBy(leg)}`
    setText(byId('live-pill-text', HTMLElement), watched === '' ? text : `${text} · ${watched}`)
    document.body.dataset['legState'] = leg?.state ?? 'none'
  }

  /** Everybody sees that they are recorded, and who wanted it. */
  #drawRecording(leg: Leg | undefined): void {
    const on = isOn(leg)
    const text = `Recording${this.#startedBy(leg)}`
    if (this.#recording.hidden && on) this.notices.show(`This call is being recorded${this.#startedBy(leg)}`)
    if (!this.#recording.hidden && !on) {
      if (leg === undefined) this.notices.show('The recording has ended')
      else this.notices.show('The recording failed', 'problem')
    }
    this.#recording.hidden = !on
    setAttribute(this.#recording, 'data-state', leg?.state)
    this.#recording.title = leg?.reason ?? 'What everybody sends is kept on the server.'
    setText(byId('record-pill-text', HTMLElement), text)
  }

  #startedBy(leg: Leg | undefined): string {
    if (leg?.startedBy === undefined) return ''
    if (leg.startedBy === this.room.id) return ', started by you'
    const name = this.room.participants.get(leg.startedBy)?.name
    return name === undefined ? '' : `, started by ${name}`
  }

  /** One that failed counts only while there is no other. */
  #latest(kind: string): Leg | undefined {
    const ofKind = [...this.room.legs.values()].filter((leg) => leg.kind === kind)
    return ofKind.findLast(isOn) ?? ofKind.at(-1)
  }
}

const isOn = (leg: Leg | undefined): boolean =>
  leg !== undefined && leg.state !== 'failed' && leg.state !== 'stopped'
