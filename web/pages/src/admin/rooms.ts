import { byId, h, setAttribute, setText } from '../dom'
import { setIcon } from '../icons'
import type { Room } from './api'
import { Rows } from './rows'
import { modeWords } from './words'

/** The list of rooms: which there are, and which one is looked at. */
export class RoomList {
  readonly #filter = byId('rooms-filter', HTMLInputElement)
  readonly #rows: Rows<Room, Row>
  #rooms: Room[] = []
  #more = false
  #chosen: string | undefined

  constructor(choose: (room: string) => void) {
    const list = byId('rooms', HTMLUListElement)
    this.#rows = new Rows(
      list,
      ({ name }) => name,
      ({ name }) => new Row(name, choose),
    )
    this.#filter.addEventListener('input', () => this.#draw())
    // Another room's name leads there, whether it is in the list or not.
    this.#filter.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && this.#filter.value.trim() !== '') choose(this.#filter.value.trim())
    })
    list.addEventListener('keydown', (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
      if (step === undefined) return
      const buttons = [...list.querySelectorAll('button')]
      buttons[buttons.indexOf(document.activeElement as HTMLButtonElement) + step]?.focus()
      event.preventDefault()
    })
  }

  show(rooms: Room[], more: boolean, chosen: string | undefined): void {
    this.#rooms = rooms
    this.#more = more
    this.#chosen = chosen
    this.#draw()
  }

  choose(room: string): void {
    this.#chosen = room
    this.#draw()
  }

  #draw(): void {
    const wanted = this.#filter.value.trim().toLowerCase()
    const found = this.#rooms.filter(({ name }) => name.toLowerCase().includes(wanted))
    this.#rows.show(found)
    for (const button of byId('rooms', HTMLUListElement).querySelectorAll('button'))
      setAttribute(button, 'aria-current', button.dataset['room'] === this.#chosen ? 'true' : undefined)
    setText(byId('rooms-count', HTMLSpanElement), `${this.#rooms.length}${this.#more ? '+' : ''}`)
    const none = byId('rooms-none', HTMLParagraphElement)
    none.hidden = found.length > 0 && !this.#more
    setText(
      none,
      found.length > 0
        ? 'There are more. Type a whole name and press Enter.'
        : this.#rooms.length > 0
          ? 'No room has that in its name.'
          : 'Nobody is in a call now.',
    )
  }
}

class Row {
  readonly element = h('li', {})
  readonly #mode = h('span', { class: 'mode' })
  readonly #people = h('span', { class: 'rooms-people' })
  readonly #legs = h('span', { class: 'rooms-legs' })

  constructor(name: string, choose: (room: string) => void) {
    const button = h(
      'button',
      { class: 'rooms-item', type: 'button', 'data-room': name },
      h('span', { class: 'rooms-name' }, name),
      this.#legs,
      this.#people,
      this.#mode,
    )
    button.addEventListener('click', () => choose(name))
    this.element.append(button)
  }

  show({ mode, participants, legs }: Room): void {
    const words = modeWords(mode)
    setAttribute(this.#mode, 'data-mode', mode)
    this.#mode.title = words.title
    setText(this.#mode, words.text)
    const people = participants.length
    setText(this.#people, String(people))
    this.#people.title = `${people} ${people === 1 ? 'person' : 'people'}`
    const kinds = legs.map(({ kind }) => (kind === 'hls' ? 'live' : kind === 'record' ? 'rec' : kind))
    setText(this.#legs, kinds.join(' '))
  }
}

/** A mode as a badge with an icon. */
export function showMode(badge: HTMLElement, mode: string): void {
  const words = modeWords(mode)
  setIcon(badge, words.icon)
  setAttribute(badge, 'data-mode', mode)
  badge.title = words.title
  const text = badge.querySelector('span') ?? badge.appendChild(h('span', {}))
  setText(text, words.text)
}
