import { byId, h } from '../dom'
import type { Happening } from './stream'
import { eventWords } from './words'

/** What happened, the newest first. */

/** Lines that are kept. */
const LINES = 500
/** Names that are remembered for events of people who are gone. */
const NAMES = 10_000

type Line = { room: string | undefined; element: HTMLElement }

export class Log {
  readonly #list = byId('log', HTMLOListElement)
  readonly #all = byId('log-all', HTMLInputElement)
  readonly #names = new Map<string, string>()
  #lines: Line[] = []
  #fresh: Line[] = []
  #room: string | undefined
  #drawing = false

  constructor() {
    this.#all.addEventListener('change', () => this.#filter())
  }

  /** The room that is looked at. */
  set room(room: string | undefined) {
    if (room === this.#room) return
    this.#room = room
    this.#filter()
  }

  add(event: Happening): void {
    const { room, time } = event
    const id = String(event['participant'] ?? '')
    if (event.type === 'participant-joined') this.#remember(`${room} ${id}`, String(event['name'] ?? ''))
    const who = (id: string) => {
      const name = this.#names.get(`${room} ${id}`)
      return name ? `${name} (${id})` : id
    }
    const at = new Date(time)
    this.#push(
      room,
      h('time', { datetime: time, title: at.toLocaleString() }, at.toLocaleTimeString()),
      h('span', { class: 'log-room' }, room),
      h('span', { class: 'log-text', 'data-type': event.type }, eventWords(event, who)),
    )
  }

  missed(count: number | undefined): void {
    this.#push(
      undefined,
      h('time', {}, new Date().toLocaleTimeString()),
      h('span', { class: 'log-text', 'data-type': 'missed' }, `${count ?? 'some'} events were missed`),
    )
  }

  #remember(key: string, name: string): void {
    if (this.#names.size >= NAMES) this.#names.clear()
    this.#names.set(key, name)
  }

  #push(room: string | undefined, ...children: HTMLElement[]): void {
    const element = h('li', {}, ...children)
    element.hidden = !this.#shows(room)
    this.#fresh.push({ room, element })
    if (this.#drawing) return
    this.#drawing = true
    // Thousands may come at once, when the page opens.
    setTimeout(() => this.#draw(), 50)
  }

  #draw(): void {
    this.#drawing = false
    const fresh = this.#fresh.slice(-LINES).reverse()
    this.#fresh = []
    this.#list.prepend(...fresh.map(({ element }) => element))
    const lines = [...fresh, ...this.#lines]
    for (const { element } of lines.slice(LINES)) element.remove()
    this.#lines = lines.slice(0, LINES)
  }

  #shows(room: string | undefined): boolean {
    return this.#all.checked || room === undefined || room === this.#room
  }

  #filter(): void {
    for (const { room, element } of [...this.#lines, ...this.#fresh]) element.hidden = !this.#shows(room)
  }
}
