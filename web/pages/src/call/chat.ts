import { h, setText } from '../dom'
import { setIcon } from '../icons'
import { displayName } from './person'

/** Text chat over the room's messages. Nothing is stored: whoever joins later starts with an empty one. */

export const MAX_TEXT = 2000
/** Lines kept on screen. Higher: a longer memory, for a slower page. */
const MAX_LINES = 500

export type ChatMessage = { type: 'chat'; text: string }

/** Messages come from anybody, in any shape; nothing when one is not a line of chat. */
export function parseChat(data: unknown): ChatMessage | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { type, text } = data as Record<string, unknown>
  if (type !== 'chat' || typeof text !== 'string' || text.trim() === '') return undefined
  return { type, text: text.slice(0, MAX_TEXT) }
}

export class Chat {
  readonly #list: HTMLElement
  readonly #empty: HTMLElement
  readonly #input: HTMLTextAreaElement
  #last: { from: string; at: number } | undefined

  constructor(root: HTMLElement, send: (message: ChatMessage) => Promise<void>) {
    this.#list = h('div', { class: 'chat-list', role: 'log', 'aria-label': 'Messages', tabindex: '0' })
    this.#empty = h(
      'p',
      { class: 'panel-empty' },
      'Messages go to everyone in the room and are gone when the call ends.',
    )
    this.#input = h('textarea', {
      class: 'input',
      rows: '1',
      maxlength: String(MAX_TEXT),
      placeholder: 'Message everyone',
      'aria-label': 'Message everyone',
    })
    const button = h('button', {
      class: 'button primary icon-only',
      type: 'submit',
      'aria-label': 'Send',
      title: 'Send',
    })
    setIcon(button, 'send')
    const form = h('form', { class: 'chat-form' }, this.#input, button)
    const submit = async () => {
      const text = this.#input.value.trim()
      if (text === '') return
      try {
        await send({ type: 'chat', text })
        this.#input.value = ''
        this.add({ from: 'you', name: 'You', text, mine: true })
      } catch {
        this.note('Not sent. Check your connection and try again.')
      }
      this.#input.focus()
    }
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void submit()
    })
    this.#input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      void submit()
    })
    this.#list.append(this.#empty)
    root.append(this.#list, form)
  }

  add(line: { from: string; name: string; text: string; mine: boolean }, at = Date.now()): void {
    const entry = h('div', { class: 'chat-line', 'data-mine': String(line.mine) })
    // Lines that follow each other within two minutes stand under one name.
    const goesOn = this.#last?.from === line.from && at - this.#last.at < 120_000
    if (!goesOn) {
      const time = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
      entry.append(h('div', { class: 'chat-head' }, h('b', {}, displayName(line.name)), h('time', {}, time)))
    }
    entry.append(h('p', {}, line.text))
    this.#append(entry)
    this.#last = { from: line.from, at }
  }

  note(text: string): void {
    this.#append(h('p', { class: 'chat-note' }, text))
    this.#last = undefined
  }

  focus(): void {
    this.#input.focus()
    this.#list.scrollTop = this.#list.scrollHeight
  }

  #append(entry: HTMLElement): void {
    this.#empty.remove()
    const following = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 80
    this.#list.append(entry)
    while (this.#list.childElementCount > MAX_LINES) this.#list.firstElementChild?.remove()
    if (following) this.#list.scrollTop = this.#list.scrollHeight
  }
}

/** A count beside a button: messages that came while the chat was closed. */
export function showCount(badge: HTMLElement, count: number): void {
  badge.hidden = count === 0
  setText(badge, count > 99 ? '99+' : String(count))
}
