import type { Cancel, Platform } from './platform.js'
import type { Size } from './layers.js'
import type { Layer } from './wire.js'

/** How long a new size has to last before the server hears of it, ms. Lower: sharper sooner after a change; higher: fewer
 * messages, and fewer key frames, while a window is being resized. */
const LASTING_MS = 300
/** A size that differs by less than this part is the same: it would choose the same layer. */
const SAME = 0.1
/** For a picture whose size nobody knows: larger than any. */
const WHOLE: Size = { width: 65_535, height: 65_535 }
const UNSEEN: Size = { width: 0, height: 0 }

export interface ViewHost {
  readonly platform: Platform
  /** Tells the server. 0 by 0: nobody sees it. */
  say(size: Size, layer: Layer | undefined): void
  /** What comes by way of the server is what is presented, and nothing is being proven: it may stop and go on. */
  mayPause(): boolean
}

/** How large a picture is shown, over all elements that show it: what the server chooses a layer after. */
export class View {
  readonly #elements = new Map<HTMLElement, { size: Size | undefined; cancel: Cancel }>()
  #layer: Layer | undefined
  /** When it was last seen. */
  #seen: Size | undefined
  #said: { size: Size; layer: Layer | undefined } | undefined
  #waiting: Cancel | undefined

  constructor(private readonly host: ViewHost) {}

  watch(element: HTMLElement): void {
    const entry: { size: Size | undefined; cancel: Cancel } = { size: undefined, cancel: () => {} }
    this.#elements.set(element, entry)
    entry.cancel = this.host.platform.onView(element, (size) => {
      entry.size = size
      this.#soon()
    })
  }

  unwatch(element: HTMLElement): void {
    this.#elements.get(element)?.cancel()
    this.#elements.delete(element)
    if (this.#elements.size > 0) this.#soon()
  }

  /** Nothing above this layer from now on. */
  prefer(layer: Layer | undefined): void {
    this.#layer = layer
    this.#say()
  }

  /** Whether it may pause has changed. */
  settle(): void {
    const paused = this.#said?.size.width === 0
    if (paused && !this.host.mayPause()) this.#say()
    else if (!paused && this.#size()?.width === 0) this.#soon()
  }

  close(): void {
    this.#waiting?.()
    for (const { cancel } of this.#elements.values()) cancel()
    this.#elements.clear()
  }

  #soon(): void {
    this.#waiting ??= this.host.platform.after(LASTING_MS, () => {
      this.#waiting = undefined
      this.#say()
    })
  }

  #say(): void {
    const size = this.#size() ?? (this.#layer === undefined && !this.#said ? undefined : WHOLE)
    const layer = this.#layer
    if (!size || (this.#said && this.#said.layer === layer && alike(size, this.#said.size))) return
    this.#said = { size, layer }
    this.host.say(size, layer)
  }

  /** The largest; undefined when nothing is known. */
  #size(): Size | undefined {
    const known = [...this.#elements.values()].map(({ size }) => size)
    // As long as one of them has not been measured, it may be the largest.
    if (known.length === 0 || known.some((size) => !size)) return this.#seen
    const pixels = (size: Size) => size.width * size.height
    const largest = known.reduce((a, b) => (a && b && pixels(a) > pixels(b) ? a : b)) ?? UNSEEN
    if (pixels(largest) > 0) return (this.#seen = largest)
    return this.host.mayPause() ? UNSEEN : this.#seen
  }
}

function alike(a: Size, b: Size): boolean {
  const near = (one: number, other: number) => Math.abs(one - other) <= SAME * Math.max(one, other)
  return near(a.width, b.width) && near(a.height, b.height)
}
