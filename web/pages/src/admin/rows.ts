/** Elements for things that come and go, by key: each keeps its element, and with it the focus, for as long as it is there. */
export class Rows<T, R extends { element: HTMLElement; show(item: T): void }> {
  readonly #rows = new Map<string, R>()

  constructor(
    private readonly place: HTMLElement,
    private readonly key: (item: T) => string,
    private readonly make: (item: T) => R,
  ) {}

  /** Shows these, in this order. */
  show(items: T[]): void {
    const keys = new Set(items.map(this.key))
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue
      row.element.remove()
      this.#rows.delete(key)
    }
    items.forEach((item, n) => {
      const key = this.key(item)
      let row = this.#rows.get(key)
      if (!row) this.#rows.set(key, (row = this.make(item)))
      row.show(item)
      if (this.place.children[n] !== row.element)
        this.place.insertBefore(row.element, this.place.children[n] ?? null)
    })
  }
}
