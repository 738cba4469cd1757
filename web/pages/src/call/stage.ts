import { type Layout, grid, spotlight } from './layout'
import { Tile, type TileSource } from './tile'

/** All tiles, and where they go. */
export class Stage {
  readonly #tiles = new Map<string, Tile>()
  readonly #inner: HTMLElement
  #pinned: Tile | undefined

  constructor(private readonly root: HTMLElement) {
    this.#inner = document.createElement('div')
    this.#inner.className = 'stage-inner'
    root.append(this.#inner)
    new ResizeObserver(() => this.#arrange()).observe(root)
  }

  get tiles(): Iterable<Tile> {
    return this.#tiles.values()
  }

  get(participant: string, source: TileSource): Tile | undefined {
    return this.#tiles.get(key(participant, source))
  }

  /** The tile of a participant's camera or screen, made where there is none. */
  ensure(participant: string, source: TileSource, self = false): Tile {
    const there = this.get(participant, source)
    if (there !== undefined) return there
    const tile = new Tile(participant, source, self, (chosen) => this.#pin(chosen))
    this.#tiles.set(key(participant, source), tile)
    // Reading order is the order on screen: one's own come last. Nothing is moved later, which would stop its video.
    this.#inner.insertBefore(tile.element, self ? null : this.#inner.querySelector('[data-self="true"]'))
    this.#arrange()
    return tile
  }

  remove(participant: string, source: TileSource): void {
    const tile = this.get(participant, source)
    if (tile === undefined) return
    if (this.#pinned === tile) this.#pinned = undefined
    this.#tiles.delete(key(participant, source))
    tile.element.remove()
    this.#arrange()
  }

  clear(): void {
    for (const tile of [...this.#tiles.values()]) this.remove(tile.participant, tile.source)
  }

  #pin(tile: Tile): void {
    if (this.#pinned !== undefined) this.#pinned.pinned = false
    this.#pinned = this.#pinned === tile ? undefined : tile
    if (this.#pinned !== undefined) this.#pinned.pinned = true
    this.#arrange()
  }

  /** A pinned tile is large; else screens are; else all are alike, one's own last. */
  #arrange(): void {
    const others = [...this.#tiles.values()].sort((a, b) => Number(a.self) - Number(b.self))
    const isLarge = (tile: Tile) =>
      this.#pinned === undefined ? tile.source === 'screen' : tile === this.#pinned
    const order = [...others.filter(isLarge), ...others.filter((tile) => !isLarge(tile))]
    const large = order.filter(isLarge).length
    const area = { width: this.root.clientWidth, height: this.root.clientHeight }
    const layout: Layout = large > 0 ? spotlight(large, order.length - large, area) : grid(order.length, area)
    this.#inner.style.height = `${layout.height}px`
    this.root.dataset['layout'] = large > 0 ? 'spotlight' : 'grid'
    order.forEach((tile, index) => {
      const box = layout.boxes[index]
      if (box === undefined) return
      const { style } = tile.element
      style.transform = `translate(${box.x}px, ${box.y}px)`
      style.width = `${box.width}px`
      style.height = `${box.height}px`
      tile.element.dataset['size'] = box.width < 220 ? 'small' : 'large'
    })
  }
}

const key = (participant: string, source: TileSource): string => `${participant} ${source}`
