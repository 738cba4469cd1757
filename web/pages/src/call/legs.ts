import type { Layout, Leg, LegOptions } from 'crescendo-client'
import { h, setText } from '../dom'
import { icon, setIcon, type IconName } from '../icons'

/** “Go live” and “Record”: one control for each kind of leg that the server has. */

type Words = {
  icon: IconName
  title: string
  idle: string
  running: string
  about: string
  start: string
  stop: string
  /** What can be shown, and how it is called; nothing where there is no choice. */
  layouts?: [Layout, string][]
  /** What else can be chosen. */
  more?: {
    label: string
    choices: [string, Choice][]
  }
}

type Choice = Pick<LegOptions, 'ladder'>

const KINDS: Record<string, Words> = {
  hls: {
    icon: 'broadcast',
    title: 'Broadcast',
    idle: 'Go live',
    running: 'Live',
    about: 'Anyone who has the link can watch, a second or two behind. Your call goes on as it is.',
    start: 'Start broadcast',
    stop: 'End broadcast',
    layouts: [
      ['single', 'One person: who speaks'],
      ['speaker', 'Everybody: who speaks, large'],
      ['grid', 'Everybody, alike'],
    ],
    more: {
      label: 'Sizes',
      choices: [
        ['As it is sent', {}],
        ['A small one as well, for slow connections', { ladder: [720, 240] }],
      ],
    },
  },
  record: {
    icon: 'record',
    title: 'Recording',
    idle: 'Record',
    running: 'Recording',
    about:
      'The server keeps a recording of everybody in the room, for those who run it. Tell them before you start.',
    start: 'Start recording',
    stop: 'Stop recording',
    layouts: [
      ['single', 'A file of each of you'],
      ['speaker', 'Everybody: who speaks, large'],
      ['grid', 'Everybody, alike'],
    ],
  },
}

/** Kinds that the server can start, in the order in which they are shown; none where it does not say. */
export async function supportedLegs(load: typeof fetch = fetch): Promise<LegOptions['kind'][]> {
  try {
    const answer: unknown = await (await load('/api/v1/capabilities')).json()
    const legs = typeof answer === 'object' && answer !== null && 'legs' in answer ? answer.legs : undefined
    return Array.isArray(legs)
      ? (Object.keys(KINDS) as LegOptions['kind'][]).filter((kind) => legs.includes(kind))
      : []
  } catch {
    return []
  }
}

export type LegHost = {
  start(options: Pick<LegOptions, 'layout' | 'ladder'>): Promise<void>
  stop(id: string): Promise<void>
  /** Page where the leg's output can be watched, absolute, as it is now; nothing where it cannot. */
  page: (() => string) | undefined
  copy(text: string): Promise<void>
}

export class LegControl {
  readonly #words: Words
  readonly #button: HTMLButtonElement
  readonly #buttonText: HTMLElement
  readonly #item: HTMLButtonElement
  readonly #state = h('span', {})
  readonly #stateRow = h(
    'p',
    { class: 'leg-state', role: 'status', hidden: true },
    h('span', { class: 'dot' }),
    this.#state,
  )
  readonly #reason = h('p', { class: 'hint' })
  readonly #problem = h('p', { class: 'problem', role: 'alert', hidden: true })
  readonly #start: HTMLButtonElement
  readonly #stop: HTMLButtonElement
  readonly #about: HTMLElement
  readonly #layout = h('select', { class: 'input', 'data-leg-layout': '' })
  readonly #layoutRow = h('label', { class: 'field' }, h('span', {}, 'Picture'), this.#layout)
  readonly #more = h('select', { class: 'input', 'data-leg-more': '' })
  readonly #moreRow: HTMLElement
  readonly #watch = h('div', { class: 'leg-actions', hidden: true })
  #leg: Leg | undefined
  #asked = false

  constructor(
    readonly kind: string,
    places: { bar: HTMLElement; menu: HTMLElement; pops: HTMLElement },
    private readonly host: LegHost,
  ) {
    const words = (this.#words = KINDS[kind] ?? { ...(KINDS['hls'] as Words), idle: kind })
    const pop = h('div', {
      id: `leg-${kind}`,
      class: 'pop card',
      popover: true,
      role: 'dialog',
      'aria-label': words.title,
    })
    this.#buttonText = h('span', { class: 'control-text' }, words.idle)
    this.#button = h(
      'button',
      { class: 'control', type: 'button', id: `leg-${kind}-button`, popovertarget: pop.id, 'data-leg': kind },
      icon(words.icon),
      this.#buttonText,
    )
    this.#item = h(
      'button',
      { class: 'menu-item', type: 'button', popovertarget: pop.id, 'data-leg': kind },
      icon(words.icon),
      words.idle,
    )
    this.#start = h(
      'button',
      { class: 'button primary', type: 'button', 'data-leg-action': 'start' },
      words.start,
    )
    this.#stop = h(
      'button',
      { class: 'button danger', type: 'button', 'data-leg-action': 'stop' },
      words.stop,
    )
    this.#about = h('p', {}, words.about)
    this.#start.addEventListener(
      'click',
      () => void this.#ask(() => host.start({ layout: this.#layout.value as Layout, ...this.#choice })),
    )
    this.#stop.addEventListener(
      'click',
      () => void this.#ask(async () => void (this.#leg && (await host.stop(this.#leg.id)))),
    )
    for (const [value, name] of words.layouts ?? [['single', '']])
      this.#layout.append(h('option', { value }, name))
    this.#moreRow = h('label', { class: 'field' }, h('span', {}, words.more?.label ?? ''), this.#more)
    for (const [name] of words.more?.choices ?? []) this.#more.append(h('option', {}, name))
    pop.append(
      h('h2', {}, words.title),
      this.#about,
      this.#layoutRow,
      this.#moreRow,
      this.#stateRow,
      this.#reason,
      this.#problem,
      this.#watch,
      this.#start,
      this.#stop,
    )
    if (host.page !== undefined) this.#watch.append(...this.#links(host.page))
    places.bar.append(this.#button)
    places.menu.append(this.#item)
    places.pops.append(pop)
    this.show(undefined)
  }

  /** The leg of this kind that the room has, if any. */
  show(leg: Leg | undefined): void {
    this.#leg = leg?.state === 'stopped' ? undefined : leg
    this.#draw()
  }

  /** What is chosen beside the picture. */
  get #choice(): Choice {
    if (this.#moreRow.hidden) return {}
    return this.#words.more?.choices[this.#more.selectedIndex]?.[1] ?? {}
  }

  async #ask(what: () => Promise<void>): Promise<void> {
    this.#asked = true
    this.#problem.hidden = true
    this.#draw()
    try {
      await what()
    } catch (error) {
      this.#problem.hidden = false
      setText(this.#problem, error instanceof Error ? error.message : 'That did not work. Try again.')
    }
    this.#asked = false
    this.#draw()
  }

  #draw(): void {
    const leg = this.#leg
    const state = leg?.state ?? 'none'
    const running = leg !== undefined && state !== 'failed'
    for (const element of [this.#button, this.#item]) element.dataset['legState'] = state
    setText(
      this.#buttonText,
      state === 'running'
        ? this.#words.running
        : state === 'starting'
          ? 'Starting…'
          : state === 'waiting'
            ? 'Waiting'
            : this.#words.idle,
    )
    this.#button.title = running ? `${this.#words.title}: ${this.#inWords()}` : this.#words.idle
    this.#about.hidden = running
    this.#layoutRow.hidden = running || this.#words.layouts === undefined
    this.#moreRow.hidden = running || this.#words.more === undefined
    this.#stateRow.hidden = leg === undefined
    this.#stateRow.dataset['state'] = state
    setText(this.#state, this.#inWords())
    this.#reason.hidden = leg?.reason === undefined
    setText(this.#reason, leg?.reason ?? '')
    this.#watch.hidden = !running || this.#watch.childElementCount === 0
    this.#start.hidden = running
    this.#stop.hidden = !running
    this.#start.disabled = this.#stop.disabled = this.#asked
  }

  #inWords(): string {
    switch (this.#leg?.state) {
      case 'starting':
        return 'Starting…'
      case 'running':
        return this.#words.running
      case 'waiting':
        return this.kind === 'record' ? 'Waiting for somebody to send' : 'Waiting for a picture'
      case 'failed':
        return 'It failed'
      case 'stopped':
      case undefined:
        return ''
    }
  }

  #links(page: () => string): HTMLElement[] {
    const copy = h('button', { class: 'button', type: 'button' }, 'Copy link')
    setIcon(copy, 'link')
    copy.addEventListener('click', () => void this.host.copy(page()))
    const watch = h(
      'a',
      { class: 'button', href: page(), target: '_blank', rel: 'noopener', 'data-leg-link': this.kind },
      'Open watch page',
    )
    // The call may have moved to another room since.
    watch.addEventListener('click', () => watch.setAttribute('href', page()))
    return [watch, copy]
  }
}
