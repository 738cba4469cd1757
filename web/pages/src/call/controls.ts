import { byId, setText } from '../dom'
import { type IconName, setIcon } from '../icons'
import { canShareScreen } from '../media'
import { keysWanted, wantKeys } from '../preferences'

/** The bar at the bottom, the menu of small screens, and the keyboard. */

export type Acts = Record<
  'microphone' | 'camera' | 'screen' | 'chat' | 'people' | 'copy' | 'leave' | 'close',
  () => unknown
>

type Device = 'microphone' | 'camera' | 'screen'
type Look = { icon: IconName; text: string; title: string }

const LOOKS: Record<Device, { on: Look; off: Look }> = {
  microphone: {
    on: { icon: 'microphone', text: 'Mute', title: 'Mute microphone (m)' },
    off: { icon: 'microphone-off', text: 'Unmute', title: 'Unmute microphone (m)' },
  },
  camera: {
    on: { icon: 'camera', text: 'Stop video', title: 'Turn camera off (v)' },
    off: { icon: 'camera-off', text: 'Start video', title: 'Turn camera on (v)' },
  },
  screen: {
    on: { icon: 'screen-off', text: 'Stop sharing', title: 'Stop sharing the screen (s)' },
    off: { icon: 'screen', text: 'Share', title: 'Share the screen (s)' },
  },
}

/** Binds everything that the person can press, until `signal` ends it. */
export function bindControls(acts: Acts, signal: AbortSignal): void {
  const onClick = (element: HTMLElement, act: () => unknown) =>
    element.addEventListener('click', () => void act(), { signal })
  const buttons: [string, keyof Acts][] = [
    ['microphone', 'microphone'],
    ['camera', 'camera'],
    ['screen', 'screen'],
    ['chat', 'chat'],
    ['people', 'people'],
    ['copy', 'copy'],
    ['alone-copy', 'copy'],
    ['side-close', 'close'],
    ['leave', 'leave'],
  ]
  for (const [id, act] of buttons) onClick(byId(id, HTMLElement), acts[act])
  const menu = byId('more-menu', HTMLElement)
  for (const item of menu.querySelectorAll<HTMLButtonElement>('[data-for]')) {
    const act = acts[item.dataset['for'] as keyof Acts]
    item.hidden = item.dataset['for'] === 'screen' && !canShareScreen()
    onClick(item, () => (menu.hidePopover(), act()))
  }
  byId('screen', HTMLElement).hidden = !canShareScreen()
  bindKeys(acts, signal)
}

/** Shows whether a device is on, and what pressing its button would do. */
export function showDevice(device: Device, on: boolean): void {
  const button = byId(device, HTMLButtonElement)
  const look = LOOKS[device][on ? 'on' : 'off']
  setIcon(button, look.icon)
  button.title = look.title
  const text = button.querySelector('.control-text')
  if (text !== null) setText(text, look.text)
  // A microphone that is off is worth a warning; a screen that is shared is.
  if (device === 'screen') button.dataset['active'] = String(on)
  else button.dataset['on'] = String(on)
}

/** Single letters, unless somebody types, or has switched them off. */
function bindKeys(acts: Acts, signal: AbortSignal): void {
  const keys: Record<string, () => unknown> = {
    m: acts.microphone,
    v: acts.camera,
    s: acts.screen,
    c: acts.chat,
    p: acts.people,
    '?': () => byId('help', HTMLElement).togglePopover(),
  }
  const wanted = byId('keys', HTMLInputElement)
  wanted.checked = keysWanted()
  wanted.addEventListener('change', () => wantKeys(wanted.checked), { signal })
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
    // What popped up closes by itself, and first.
    if (event.key === 'Escape' && document.querySelector(':popover-open') === null) return void acts.close()
    const act = keys[event.key.toLowerCase()]
    if (act === undefined || !wanted.checked || isTyping(event.target)) return
    event.preventDefault()
    void act()
  }
  document.addEventListener('keydown', press, { signal })
}

function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return target.type !== 'checkbox'
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}
