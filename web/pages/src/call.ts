import { Room, RoomError } from 'crescendo-client'
import { Notices } from './call/notices'
import type { OwnTracks } from './call/own'
import { reasonFor } from './call/reasons'
import { type Ended, Session } from './call/session'
import './exposed'
import { byId, setText } from './dom'
import { drawIcons, type IconName, setIcon } from './icons'
import { openAll } from './media'
import { type Choices, MAX_NAME, handOver, handedOver, remember, remembered, takeBack } from './preferences'
import { Preview } from './preview'
import { roomFromPath } from './room-name'
import { secretOf } from './secret'

/** `/r/{room}`: asks what is needed, joins, and says how it ended. */

const room = roomFromPath(location.pathname)
const secret = secretOf(location.hash)
const asked = new URLSearchParams(location.search)
const token = asked.get('token')
const notices = new Notices(byId('notices', HTMLElement), byId('spoken', HTMLElement))
const screens = {
  before: byId('before', HTMLElement),
  call: byId('call', HTMLElement),
  after: byId('after', HTMLElement),
}

drawIcons()
window.crescendo = {}
byId('again', HTMLButtonElement).addEventListener('click', () => location.reload())
if (room === undefined || secret === null)
  tell('alert', {
    title: 'That is not a room',
    text: 'The link may be cut off. Ask for it again.',
    again: false,
  })
else await begin(room)

/** Whoever comes from the start page, or from a reload, has chosen already; anybody else is asked. */
async function begin(room: string): Promise<void> {
  document.title = `${room} · Crescendo`
  setText(byId('room-name', HTMLElement), room)
  const name = asked.get('name')?.slice(0, MAX_NAME)
  const known = handedOver(room)
  const before = known ?? remembered()
  const choices = { ...before, ...(name !== undefined && { name }) }
  if (known === undefined && asked.get('auto') !== '1') return ask(room, choices)
  const { problems, ...tracks } = await openAll(choices)
  await join(room, choices, tracks)
  for (const problem of problems) notices.show(problem.message, 'problem')
}

function ask(room: string, before: Choices): void {
  show('before')
  setText(byId('before-room', HTMLElement), room)
  const name = byId('name', HTMLInputElement)
  name.value = before.name
  const preview = new Preview(byId('preview', HTMLElement), before)
  void preview.start()
  byId('join', HTMLFormElement).addEventListener(
    'submit',
    (event) => {
      event.preventDefault()
      const choices = { ...preview.choices(), name: name.value.trim().slice(0, MAX_NAME) }
      remember(choices)
      byId('join-button', HTMLButtonElement).disabled = true
      void preview.take().then((tracks) => join(room, choices, tracks))
    },
    { once: true },
  )
}

async function join(name: string, choices: Choices, tracks: OwnTracks): Promise<void> {
  const room = new Room({
    room: name,
    name: choices.name,
    ...(token !== null && { token }),
    ...(secret && { encryption: { secret, worker: new Worker('/client-worker.js', { type: 'module' }) } }),
  })
  byId('encrypted', HTMLElement).hidden = !secret
  window.crescendo.room = room
  show('call')
  const session = new Session(room, choices, notices, ended, secret !== undefined)
  try {
    await session.join(tracks)
    // The button that had the focus is gone.
    byId('stage', HTMLElement).focus({ preventScroll: true })
    handOver(room.name, choices)
  } catch (error) {
    if (session.over) return
    session.close()
    const { code, message } =
      error instanceof RoomError ? error : { code: 'internal', message: String(error) }
    ended({ by: 'room', code, message })
  }
}

function ended(how: Ended): void {
  // That everybody else is gone, too, is not worth a word.
  notices.clear()
  switch (how.by) {
    case 'self':
      takeBack()
      return tell('check', {
        title: 'You have left the call',
        text: 'Camera and microphone are off.',
        again: true,
      })
    case 'room':
      return tell('alert', reasonFor(how.code, how.message))
  }
}

function tell(name: IconName, reason: { title: string; text: string; again: boolean }): void {
  show('after')
  document.body.dataset['roomMode'] = 'none'
  setIcon(byId('after-icon', HTMLElement), name)
  setText(byId('after-title', HTMLElement), reason.title)
  setText(byId('after-text', HTMLElement), reason.text)
  const again = byId('again', HTMLButtonElement)
  again.hidden = !reason.again
  if (reason.again) again.focus()
}

function show(which: keyof typeof screens): void {
  for (const [name, screen] of Object.entries(screens)) screen.hidden = name !== which
}
