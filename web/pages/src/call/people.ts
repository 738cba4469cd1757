import { h } from '../dom'
import { icon, type IconName } from '../icons'
import { PATHS, type Path } from './path'
import { displayName, hue, initials } from './person'

/** The list of who is here. */

export type Person = {
  name: string
  self: boolean
  microphone: boolean
  camera: boolean
  screen: boolean
  away: boolean
  /** Nothing for oneself, and while there is no media. */
  path?: Path
}

/** Draws the list anew, unless it says the same already or nobody sees it. */
export function showPeople(root: HTMLElement, people: Person[]): void {
  const now = JSON.stringify(people)
  if (root.hidden || root.dataset['people'] === now) return
  root.dataset['people'] = now
  root.replaceChildren(h('ul', { class: 'people' }, ...people.map(row)))
}

function row(person: Person): HTMLElement {
  const name = displayName(person.name)
  const avatar = h('span', { class: 'avatar small', 'aria-hidden': 'true' }, initials(name))
  avatar.style.setProperty('--hue', String(hue(name)))
  const doing = person.away ? 'Reconnecting…' : person.screen ? 'Sharing a screen' : undefined
  return h(
    'li',
    { class: 'person', 'data-away': String(person.away) },
    avatar,
    h(
      'span',
      { class: 'person-name' },
      h('span', {}, person.self ? `${name} (you)` : name),
      doing === undefined ? undefined : h('small', {}, doing),
    ),
    person.path && mark(PATHS[person.path].icon, PATHS[person.path].words, true),
    state('microphone', person.microphone, 'microphone on', 'muted'),
    state('camera', person.camera, 'camera on', 'camera off'),
  )
}

function state(device: 'microphone' | 'camera', on: boolean, yes: string, no: string): HTMLElement {
  return mark(on ? device : `${device}-off`, on ? yes : no, on)
}

function mark(shape: IconName, words: string, on: boolean): HTMLElement {
  const element = h('span', { class: 'person-state', 'data-on': String(on), title: words })
  element.append(icon(shape), h('span', { class: 'visually-hidden' }, words))
  return element
}
