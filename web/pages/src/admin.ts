import { Api, ApiError, type Room } from './admin/api'
import { Log } from './admin/log'
import { showNode } from './admin/node'
import { RoomPanel } from './admin/room'
import { RoomList } from './admin/rooms'
import { readEvents } from './admin/stream'
import { byId, h, setText } from './dom'
import { drawIcons } from './icons'

/** `/admin`: what goes on here, for those who keep it running. It knows what the REST API says and nothing else. */

/** How often the server is asked, ms. */
const EVERY_MS = 2000
/** After an event it is asked this soon, ms, so that a rush of them asks once. */
const SOON_MS = 150
/** Rooms whose plots go on while another is looked at. Higher: more to draw that nobody sees. */
const PANELS = 12

const api = new Api()
const log = new Log()
const list = new RoomList(choose)
const place = byId('room', HTMLElement)
/** Of rooms that were looked at, the last one last: their plots go on. */
const panels = new Map<string, RoomPanel>()
let panel: RoomPanel | undefined
/** As they were listed last. */
let latest: Room[] = []
let reading: AbortController | undefined
let asking = false
let timer: ReturnType<typeof setTimeout> | undefined

drawIcons()
byId('entry-form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault()
  const credential = byId('credential', HTMLInputElement).value.trim()
  if (credential === '') return
  api.credential = credential
  open()
})
byId('forget', HTMLButtonElement).addEventListener('click', () => {
  api.credential = undefined
  // All that was shown goes with it.
  location.reload()
})
window.addEventListener('hashchange', () => again())
document.addEventListener('visibilitychange', () => !document.hidden && again())
open()

/** Begins anew, with the credential that there is now. */
function open(): void {
  reading?.abort()
  reading = new AbortController()
  const { signal } = reading
  void refresh().then((entered) => {
    if (!entered || signal.aborted) return
    const happened: Parameters<typeof readEvents>[2] = {
      happened: (event) => {
        log.add(event)
        again()
      },
      missed: (count) => log.missed(count),
    }
    void readEvents(api, api.onlyRoom, happened, signal)
  })
}

function choose(room: string): void {
  location.hash = encodeURIComponent(room)
  // At once, where it is known: nobody is to act on the room that was there before.
  const known = latest.find(({ name }) => name === room)
  if (known) {
    list.choose(room)
    show(room, known)
  }
  again(0)
}

/** The room that is looked at: the one that the address names, else the only one that may be seen. */
function chosen(): string | undefined {
  return api.onlyRoom ?? (location.hash.slice(1) || undefined)
}

function again(after = SOON_MS): void {
  clearTimeout(timer)
  timer = setTimeout(() => void refresh(), after)
}

/** Asks for all that is shown. False when nobody is let in. */
async function refresh(): Promise<boolean> {
  if (asking) return true
  asking = true
  let next = EVERY_MS
  try {
    await look()
    enter()
    contact('live', 'Live')
    return true
  } catch (error) {
    if (error instanceof ApiError && error.isAboutAccess) {
      refuse(error)
      next = Infinity
      return false
    }
    contact('lost', error instanceof Error ? `No contact: ${error.message}` : 'No contact')
    return true
  } finally {
    asking = false
    if (next < Infinity) again(next)
  }
}

async function look(): Promise<void> {
  const name = chosen()
  if (api.onlyRoom !== undefined) {
    const room = await api.room(api.onlyRoom)
    list.show(room ? [room] : [], false, name)
    showNode(undefined)
    return show(name, room)
  }
  const [node, { rooms, more }] = await Promise.all([api.node(), api.rooms()])
  latest = rooms
  const shown = name ?? rooms[0]?.name
  const room =
    rooms.find((room) => room.name === shown) ?? (shown === undefined ? undefined : await api.room(shown))
  showNode(node)
  list.show(rooms, more, shown)
  for (const other of rooms) if (other.name !== shown) panels.get(other.name)?.show(other)
  show(shown, room)
}

function show(name: string | undefined, room: Room | undefined): void {
  log.room = name
  if (room) {
    if (panel?.name !== room.name) {
      panel = panelOf(room.name)
      place.replaceChildren(panel.element)
    }
    panel.show(room)
  } else if (panel || place.childElementCount === 0 || place.dataset['none'] !== (name ?? '')) {
    panel = undefined
    const text =
      name === undefined ? 'Rooms show up here as soon as somebody joins.' : `There is no room ${name} now.`
    place.replaceChildren(h('p', { class: 'card part empty' }, text))
  }
  place.dataset['none'] = room ? '' : (name ?? '')
}

function panelOf(room: string): RoomPanel {
  const known = panels.get(room) ?? new RoomPanel(room, api, again)
  panels.delete(room)
  panels.set(room, known)
  for (const oldest of [...panels.keys()].slice(0, -PANELS)) panels.delete(oldest)
  return known
}

function enter(): void {
  document.body.dataset['state'] = 'in'
  byId('entry', HTMLElement).hidden = true
  byId('board', HTMLDivElement).hidden = false
  byId('forget', HTMLButtonElement).hidden = api.credential === undefined
  byId('credential', HTMLInputElement).value = ''
}

/** Asks for a credential, or says why none would help. */
function refuse(error: ApiError): void {
  const had = api.credential !== undefined
  api.credential = undefined
  reading?.abort()
  document.body.dataset['state'] = 'out'
  byId('board', HTMLDivElement).hidden = true
  byId('entry', HTMLElement).hidden = false
  byId('forget', HTMLButtonElement).hidden = true
  contact('out', '')
  // Without keys the server takes no credential: it lets its own machine in, and nobody else.
  const helps = error.code !== undefined
  byId('entry-fields', HTMLDivElement).hidden = !helps
  setText(byId('entry-why', HTMLParagraphElement), had || !helps ? error.message : '')
  if (helps) byId('credential', HTMLInputElement).focus()
}

function contact(state: string, text: string): void {
  const element = byId('contact', HTMLParagraphElement)
  element.dataset['state'] = state
  setText(element, text)
}
