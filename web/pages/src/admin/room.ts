import { h, setText } from '../dom'
import { act, ask } from './ask'
import type { Api, Room } from './api'
import { Legs } from './legs'
import { People } from './people'
import { Plot } from './plot'
import { Rates, bitrate, loss } from './rates'
import { showMode } from './rooms'

/** One room, from top to bottom. */
export class RoomPanel {
  readonly element: HTMLElement
  readonly #mode = h('span', { class: 'mode large' })
  readonly #facts = h('p', { class: 'room-facts' })
  readonly #close = h('button', { class: 'button danger small', type: 'button' }, 'Close room')
  readonly #rates = new Rates()
  readonly #bitrates = new Plot({
    title: 'Bitrate, all people',
    lines: ['sent', 'received'],
    least: 100,
    words: bitrate,
  })
  readonly #losses = new Plot({
    title: 'Loss, worst of all',
    lines: ['sent', 'received'],
    least: 5,
    words: loss,
  })
  readonly #viewers = new Plot({
    title: 'Viewers',
    lines: ['now'],
    least: 4,
    words: (value) => String(Math.round(value)),
  })
  readonly #people: People
  readonly #legs: Legs

  constructor(
    readonly name: string,
    api: Api,
    again: () => void,
  ) {
    this.#people = new People(api, again)
    this.#legs = new Legs(api, again)
    this.#close.addEventListener('click', async () => {
      if (
        !(await ask(
          `Close ${name}?`,
          'Everybody is put out, and broadcasts and recordings end.',
          'Close room',
        ))
      )
        return
      await act(this.#close, () => api.close(name), `Room ${name} was closed.`)
      again()
    })
    this.element = h(
      'div',
      { class: 'room-panel', 'data-room': name },
      h(
        'div',
        { class: 'room-head' },
        h('h2', { class: 'room-name', tabindex: '-1' }, name),
        this.#mode,
        this.#facts,
        this.#close,
      ),
      h('div', { class: 'plots' }, this.#bitrates.element, this.#losses.element, this.#viewers.element),
      this.#people.element,
      this.#legs.element,
    )
  }

  show(room: Room): void {
    const at = performance.now()
    const figures = this.#rates.read(room, at)
    const all = [...figures.values()]
    const of = (way: 'sends' | 'receives', what: 'kbps' | 'lossPercent') =>
      all.flatMap((figures) => figures[way]?.[what] ?? [])
    const sum = (values: number[]) =>
      values.length ? values.reduce((sum, value) => sum + value, 0) : undefined
    const worst = (values: number[]) => (values.length ? Math.max(...values) : undefined)
    this.#bitrates.add(at, [sum(of('sends', 'kbps')), sum(of('receives', 'kbps'))])
    this.#losses.add(at, [worst(of('sends', 'lossPercent')), worst(of('receives', 'lossPercent'))])
    this.#viewers.add(at, [room.viewers])
    this.#viewers.element.hidden = !room.legs.some(({ kind }) => kind === 'hls')
    showMode(this.#mode, room.mode)
    setText(this.#facts, `epoch ${room.epoch} · media thread ${room.shard}`)
    this.#people.show(room, figures, at)
    this.#legs.show(room)
  }
}
