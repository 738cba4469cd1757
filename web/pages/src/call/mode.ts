import type { Mode } from 'crescendo-client'
import { byId, setText } from '../dom'
import { setIcon } from '../icons'

/** How the room is connected, in a word. */

const WORDS = {
  mesh: {
    icon: 'direct',
    text: 'Direct',
    title: 'You are connected directly to each other. The server only introduced you.',
  },
  promoting: {
    icon: 'moving',
    text: 'Moving…',
    title: 'The room has grown: the call is moving to the server while it goes on.',
  },
  sfu: {
    icon: 'server',
    text: 'Server',
    title: 'Everyone sends once, to the server, which passes it on to the others.',
  },
  demoting: {
    icon: 'moving',
    text: 'Moving…',
    title: 'The room is small again: the call is moving back to direct connections while it goes on.',
  },
} as const

export function showMode(mode: Mode): void {
  const badge = byId('mode', HTMLElement)
  const words = WORDS[mode]
  badge.hidden = false
  badge.dataset['mode'] = mode
  badge.title = words.title
  setIcon(badge, words.icon)
  setText(byId('mode-text', HTMLElement), words.text)
  document.body.dataset['roomMode'] = mode
}

/** What a screen reader says about it; nothing while it is on the way. */
export function modeInWords(mode: Mode): string | undefined {
  switch (mode) {
    case 'mesh':
      return 'The call now runs directly between you.'
    case 'sfu':
      return 'The call now runs through the server.'
    case 'promoting':
    case 'demoting':
      return undefined
  }
}
