import { h, setAttribute, setText } from '../dom'

/** Lines over the last minutes, in SVG. No more than this page needs. */

/** How far back they go, ms. */
export const SPAN_MS = 5 * 60_000
/** They show at least this much, ms, so that the first minute fills them. */
const LEAST_MS = 60_000
/** Points without a value for this long are not joined, ms. */
const GAP_MS = 10_000
/** The drawing's own units; the page stretches them. */
const [WIDTH, HEIGHT] = [300, 100]

export type Point = { at: number; value: number }

/** Values over time, the last of them. */
export class Series {
  points: Point[] = []

  add(at: number, value: number | undefined): void {
    if (value !== undefined) this.points.push({ at, value })
    while ((this.points[0]?.at ?? at) < at - SPAN_MS) this.points.shift()
  }

  /** How much of the past is worth showing: what there is, but `least` ms. */
  span(now: number, least: number): number {
    return Math.min(SPAN_MS, Math.max(least, now - (this.points[0]?.at ?? now)))
  }

  get max(): number {
    return this.points.reduce((max, { value }) => Math.max(max, value), 0)
  }
}

/** The path's `d`: `now` is at the right edge, `top` at the upper. Pure. */
export function line(points: Point[], now: number, span: number, top: number): string {
  let before: number | undefined
  const steps = points.map(({ at, value }) => {
    const joined = before !== undefined && at - before < GAP_MS
    before = at
    const x = WIDTH * (1 - (now - at) / span)
    const y = HEIGHT * (1 - Math.min(1, value / top))
    return `${joined ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`
  })
  return steps.join('')
}

/** A round number that is not smaller, for the top of an axis. Pure. */
export function roundUp(value: number): number {
  if (value <= 0) return 1
  const unit = 10 ** Math.floor(Math.log10(value))
  return unit * ([1, 2, 2.5, 5].find((step) => step * unit >= value) ?? 10)
}

function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string>,
): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}

function drawing(className: string): SVGSVGElement {
  return svg('svg', {
    class: className,
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  })
}

/** A small one for a row of a table; the figure stands beside it. */
export class Spark {
  readonly element = drawing('spark')
  readonly #path = svg('path', { class: 'line line-0' })
  readonly #series = new Series()

  constructor() {
    this.element.append(this.#path)
  }

  add(at: number, value: number | undefined): void {
    this.#series.add(at, value)
    setAttribute(
      this.#path,
      'd',
      line(this.#series.points, at, this.#series.span(at, LEAST_MS), Math.max(1, this.#series.max * 1.1)),
    )
  }
}

export type PlotOptions = {
  title: string
  lines: string[]
  /** The smallest that the axis ends with. */
  least: number
  words(value: number): string
}

/** A large one, with a scale and what is what. */
export class Plot {
  readonly element: HTMLElement
  readonly #series: Series[]
  readonly #paths: SVGPathElement[]
  readonly #values: HTMLElement[]
  readonly #top = h('span', { class: 'plot-top' })
  readonly #begin = h('span', { class: 'plot-begin' })

  constructor(private readonly options: PlotOptions) {
    this.#series = options.lines.map(() => new Series())
    this.#paths = options.lines.map((_, n) => svg('path', { class: `line line-${n}` }))
    this.#values = options.lines.map(() => h('b', {}, '–'))
    const picture = drawing('plot-picture')
    for (const y of [0, 50, 100]) picture.append(svg('path', { class: 'grid', d: `M0 ${y}H${WIDTH}` }))
    picture.append(...this.#paths)
    const legend = options.lines.map((name, n) =>
      h('span', { class: `legend legend-${n}` }, name, ' ', this.#values[n]),
    )
    this.element = h(
      'figure',
      { class: 'plot card' },
      h('figcaption', { class: 'plot-head' }, h('span', { class: 'plot-title' }, options.title), ...legend),
      h(
        'div',
        { class: 'plot-body' },
        picture,
        this.#top,
        this.#begin,
        h('span', { class: 'plot-now' }, 'now'),
      ),
    )
  }

  /** One value for each line. */
  add(at: number, values: (number | undefined)[]): void {
    this.#series.forEach((series, n) => series.add(at, values[n]))
    const top = roundUp(Math.max(this.options.least, ...this.#series.map(({ max }) => max)))
    const span = Math.max(...this.#series.map((series) => series.span(at, LEAST_MS)))
    setText(this.#top, this.options.words(top))
    setText(this.#begin, `${Number((span / 60_000).toFixed(1))} min ago`)
    this.#series.forEach(({ points }, n) => {
      const [path, shown, value] = [this.#paths[n], this.#values[n], values[n]]
      if (path) setAttribute(path, 'd', line(points, at, span, top))
      if (shown) setText(shown, value === undefined ? '–' : this.options.words(value))
    })
  }
}
