import { byId, h, setText } from '../dom'
import { icon } from '../icons'

/** A question before what cannot be taken back, and short news of what was done. */

/** News goes away after this long, ms. */
const TOAST_MS = 6000

/** True when the answer is yes. */
export function ask(title: string, text: string, yes: string): Promise<boolean> {
  const dialog = byId('ask', HTMLDialogElement)
  setText(byId('ask-title', HTMLHeadingElement), title)
  setText(byId('ask-text', HTMLParagraphElement), text)
  setText(byId('ask-yes', HTMLButtonElement), yes)
  dialog.returnValue = 'no'
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}

export function tell(text: string, bad = false): void {
  const toast = h('p', { class: bad ? 'toast bad' : 'toast' }, icon(bad ? 'alert' : 'check'), text)
  byId('toasts', HTMLDivElement).append(toast)
  setTimeout(() => toast.remove(), TOAST_MS)
}

/** Does what an operator asked for, and says how that went. The button cannot be pressed meanwhile. */
export async function act(button: HTMLButtonElement, what: () => Promise<void>, done: string): Promise<void> {
  button.disabled = true
  try {
    await what()
    tell(done)
  } catch (error) {
    tell(error instanceof Error ? error.message : 'That did not work.', true)
  } finally {
    button.disabled = false
  }
}
