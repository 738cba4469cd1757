import { h, setText } from '../dom'
import { Rows } from './rows'

type Words = {
  /** What the part is about, its heading. */
  title: string
  /** What is said where there is nothing. */
  none: string
  /** The table's class, and its name for who does not see it. */
  table: string
  caption: string
  label: string
  heads: string[]
  /** What the last column is for, which holds a button and shows no heading. */
  act: string
}

/** A part of a room's page: a card with a table of what comes and goes. */
export class Part<T, R extends { element: HTMLElement; show(item: T): void }> {
  readonly element: HTMLElement
  readonly #rows: Rows<T, R>
  readonly #count = h('span', { class: 'count' })
  readonly #none: HTMLElement
  readonly #table: HTMLTableElement

  constructor(words: Words, key: (item: T) => string, make: (item: T) => R) {
    const body = h('tbody', {})
    this.#none = h('p', { class: 'hint none' }, words.none)
    this.#table = h(
      'table',
      { class: words.table },
      h('caption', { class: 'visually-hidden' }, words.caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...words.heads.map((head) => h('th', { scope: 'col' }, head)),
          h('th', { scope: 'col' }, h('span', { class: 'visually-hidden' }, words.act)),
        ),
      ),
      body,
    )
    this.#rows = new Rows(body, key, make)
    this.element = h(
      'section',
      { class: 'card part', 'aria-label': words.title },
      h('div', { class: 'part-head' }, h('h3', {}, words.title), this.#count),
      h('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': words.label }, this.#table),
      this.#none,
    )
  }

  show(items: T[]): void {
    this.#rows.show(items)
    setText(this.#count, String(items.length))
    this.#none.hidden = items.length > 0
    this.#table.hidden = items.length === 0
  }
}
