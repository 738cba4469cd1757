import { h } from '../dom'
import { icon } from '../icons'
import { displayName, hue, initials } from './person'

/** The list of who is here. */

export type Person = {
  name: string
  self: boolean
  microphone: boolean
  camera: boolean
  screen: boolean
  away: boolean
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
    state('microphone', person.microphone, 'microphone on', 'muted'),
    state('camera', person.camera, 'camera on', 'camera off'),
  )
}

function state(device: 'microphone' | 'camera', on: boolean, yes: string, no: string): HTMLElement {
  const mark = h('span', { class: 'person-state', 'data-on': String(on), title: on ? yes : no })
  mark.append(icon(on ? device : `${device}-off`), h('span', { class: 'visually-hidden' }, on ? yes : no))
  return mark
}
