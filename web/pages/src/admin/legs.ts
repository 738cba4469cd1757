import { h, setAttribute, setText } from '../dom'
import { act, ask } from './ask'
import type { Api, Leg, Room } from './api'
import { Part } from './part'
import { LEGS, ago } from './words'

/** The broadcasts and recordings of a room. */

type Shown = { room: Room; leg: Leg; at: number }

export class Legs {
  readonly element: HTMLElement
  readonly #part: Part<Shown, Row>

  constructor(api: Api, again: () => void) {
    this.#part = new Part(
      {
        title: 'Broadcasts and recordings',
        none: 'The room is neither broadcast nor recorded.',
        table: 'legs',
        caption: 'Broadcasts and recordings',
        label: 'Table of legs',
        heads: ['Kind', 'State', 'Since', 'Started by', 'Viewers', 'Dropped'],
        act: 'Stop',
      },
      ({ leg }) => leg.id,
      (shown) => new Row(shown, api, again),
    )
    this.element = this.#part.element
  }

  show(room: Room): void {
    const at = Date.now()
    this.#part.show(room.legs.map((leg) => ({ room, leg, at })))
  }
}

class Row {
  readonly element = h('tr', {})
  readonly #kind = h('th', { scope: 'row', class: 'person' })
  readonly #state = h('span', { class: 'leg-badge' })
  readonly #reason = h('span', { class: 'hint' })
  readonly #since = h('td', {})
  readonly #by = h('td', {})
  readonly #viewers = h('td', { class: 'number' })
  readonly #dropped = h('td', { class: 'number' })
  readonly #stop = h('button', { class: 'button quiet small out', type: 'button' }, 'Stop')

  constructor({ room, leg }: Shown, api: Api, again: () => void) {
    const what = LEGS[leg.kind] ?? leg.kind
    this.element.dataset['leg'] = leg.id
    this.#kind.append(h('span', { class: 'person-name' }, what), h('span', { class: 'person-id' }, leg.id))
    this.#stop.setAttribute('aria-label', `Stop ${what.toLowerCase()} ${leg.id}`)
    this.#stop.addEventListener('click', async () => {
      const text = leg.kind === 'hls' ? 'Who watches sees it end.' : 'What was recorded so far stays.'
      if (!(await ask(`Stop ${what.toLowerCase()} ${leg.id}?`, text, 'Stop'))) return
      await act(this.#stop, () => api.stopLeg(room.name, leg.id), `${what} ${leg.id} was stopped.`)
      again()
    })
    this.element.append(
      this.#kind,
      h('td', {}, this.#state, this.#reason),
      this.#since,
      this.#by,
      this.#viewers,
      this.#dropped,
      h('td', { class: 'last' }, this.#stop),
    )
  }

  show({ room, leg, at }: Shown): void {
    setText(this.#state, leg.state)
    setAttribute(this.#state, 'data-state', leg.state)
    setText(this.#reason, leg.reason ?? '')
    setText(this.#since, leg.since === undefined ? '–' : ago(at - Date.parse(leg.since)))
    if (leg.since !== undefined) this.#since.title = new Date(leg.since).toLocaleString()
    const by = room.participants.find(({ id }) => id === leg.startedBy)?.name
    setText(
      this.#by,
      leg.startedBy === undefined ? 'the API' : by ? `${by} (${leg.startedBy})` : leg.startedBy,
    )
    setText(this.#viewers, leg.viewers === undefined ? '–' : String(leg.viewers))
    setText(this.#dropped, leg.health === undefined ? '–' : `${leg.health.droppedFrames} frames`)
  }
}
