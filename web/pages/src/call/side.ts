import { byId, setText } from '../dom'
import { Chat, type ChatMessage, parseChat, showCount } from './chat'
import type { Notices } from './notices'

/** The panel at the side: people or chat, one at a time. */

export type PanelName = 'people' | 'chat'

const TITLES: Record<PanelName, string> = { people: 'People', chat: 'Chat' }
/** Longest part of a message that is shown beside the call. */
const GLIMPSE = 80

export class Side {
  readonly #element = byId('side', HTMLElement)
  readonly #chat: Chat
  #open: PanelName | undefined
  #unread = 0

  constructor(
    send: (message: ChatMessage) => Promise<void>,
    private readonly notices: Notices,
    private readonly changed: () => void,
  ) {
    this.#chat = new Chat(byId('chat-panel', HTMLElement), send)
    this.#element.hidden = true
  }

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** Opens a panel, or closes it when it is open already. */
  toggle(panel: PanelName): void {
    this.#show(panel === this.#open ? undefined : panel)
  }

  close(): void {
    const before = this.#open
    if (before === undefined) return
    this.#show(undefined)
    byId(before, HTMLButtonElement).focus()
  }

  /** A message has come. Whatever is no line of chat belongs to somebody else. */
  receive(from: string, name: string, data: unknown): void {
    const message = parseChat(data)
    if (message === undefined) return
    this.#chat.add({ from, name, text: message.text, mine: false })
    if (this.#open === 'chat') return
    this.#unread += 1
    showCount(byId('chat-count', HTMLElement), this.#unread)
    const glimpse = message.text.length > GLIMPSE ? `${message.text.slice(0, GLIMPSE - 1)}…` : message.text
    this.notices.show(`${name}: ${glimpse}`)
  }

  #show(panel: PanelName | undefined): void {
    this.#open = panel
    this.#element.hidden = panel === undefined
    for (const name of ['people', 'chat'] as const) {
      byId(`${name}-panel`, HTMLElement).hidden = panel !== name
      byId(name, HTMLButtonElement).setAttribute('aria-expanded', String(panel === name))
    }
    if (panel !== undefined) setText(byId('side-title', HTMLElement), TITLES[panel])
    if (panel === 'chat') {
      this.#unread = 0
      showCount(byId('chat-count', HTMLElement), 0)
      this.notices.clear()
      this.#chat.focus()
    }
    this.changed()
  }
}
