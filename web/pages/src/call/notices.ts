import { h, setText } from '../dom'

/** What is said once: shown for a while, or only read out. Both are live regions. */

/** Most notices on screen at once; older ones make room. */
const MAX_SHOWN = 3
const SHOWN_MS = 5000

export class Notices {
  constructor(
    private readonly shown: HTMLElement,
    private readonly spoken: HTMLElement,
  ) {}

  /** A few words on screen, gone by themselves. */
  show(text: string, tone: 'plain' | 'problem' = 'plain'): void {
    const notice = h('p', { class: 'notice', 'data-tone': tone }, text)
    this.shown.append(notice)
    while (this.shown.childElementCount > MAX_SHOWN) this.shown.firstElementChild?.remove()
    setTimeout(() => notice.remove(), tone === 'problem' ? 2 * SHOWN_MS : SHOWN_MS)
  }

  /** What was shown is seen elsewhere now. */
  clear(): void {
    this.shown.replaceChildren()
  }

  /** For screen readers alone: what others see by looking. */
  say(text: string): void {
    setText(this.spoken, text)
  }
}
