import { byId, setText } from './dom'
import { drawIcons } from './icons'
import { allowedAlready } from './media'
import { MAX_NAME, handOver, remember, remembered } from './preferences'
import { Preview } from './preview'
import { roomNameProblem, surprisingRoomName, tidyRoomName } from './room-name'
import { newSecretHash } from './secret'

/** `/`: name a room, see oneself, join. */

const form = byId('join', HTMLFormElement)
const room = byId('room', HTMLInputElement)
const name = byId('name', HTMLInputElement)
const problem = byId('room-problem', HTMLParagraphElement)
const before = remembered()
const preview = new Preview(byId('preview', HTMLElement), before)

drawIcons()
name.value = before.name
const asked = new URLSearchParams(location.search).get('room')
if (asked !== null) room.value = asked

byId('surprise', HTMLButtonElement).addEventListener('click', () => {
  room.value = surprisingRoomName()
  check(false)
  room.focus()
})

room.addEventListener('input', () => check(false))

form.addEventListener('submit', (event) => {
  event.preventDefault()
  if (!check(true)) return room.focus()
  const choices = { ...preview.choices(), name: name.value.trim().slice(0, MAX_NAME) }
  remember(choices)
  handOver(room.value, choices)
  preview.close()
  const encrypts = byId('encrypt', HTMLInputElement).checked
  location.assign(`/r/${room.value}${encrypts ? newSecretHash() : ''}`)
})

// Back from a call, the browser may show the page as it was left, with a camera that is off.
window.addEventListener('pageshow', (event) => event.persisted && location.reload())

// Nobody who only looks at the page is asked for the camera; whoever allowed it before sees the picture at once.
if (await allowedAlready()) await preview.start()

/** Says what is wrong with the room's name. While somebody types, an empty or unfinished name is not yet wrong. */
function check(finished: boolean): boolean {
  if (finished) room.value = room.value.trim()
  const wrong = roomNameProblem(room.value)
  const shown = wrong !== undefined && (finished || room.value !== '') ? wrong : undefined
  const tidy = tidyRoomName(room.value)
  const offer = shown !== undefined && roomNameProblem(tidy) === undefined ? ` How about “${tidy}”?` : ''
  problem.hidden = shown === undefined
  setText(problem, shown === undefined ? '' : shown + offer)
  room.setAttribute('aria-invalid', String(shown !== undefined))
  return wrong === undefined
}
