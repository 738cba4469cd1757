import { byId, h, setAttribute, setText } from '../dom'
import type { Node } from './api'

/** The server as a whole, in a row of figures. */

type Figure = { name: string; value: string; more?: string; state?: 'bad' | 'warn' | undefined }

/** From this share of its allocations on the relay is shown as nearly full. */
const NEARLY_FULL = 0.8

export function showNode(node: Node | undefined): void {
  const place = byId('node', HTMLDListElement)
  place.hidden = node === undefined
  if (!node) return
  const figures = figuresOf(node)
  while (place.children.length > figures.length) place.lastElementChild?.remove()
  figures.forEach(({ name, value, more, state }, n) => {
    let cell = place.children[n]
    if (!cell) {
      cell = h('div', { class: 'figure card' }, h('dt', {}), h('dd', {}), h('dd', { class: 'more' }))
      place.append(cell)
    }
    const [dt, dd, small] = cell.children
    if (dt && dd && small) {
      setText(dt, name)
      setText(dd, value)
      setText(small, more ?? '')
    }
    setAttribute(cell, 'data-state', state)
  })
}

function figuresOf(node: Node): Figure[] {
  const { turn, shards } = node
  const transports = shards.map(({ transports }) => transports)
  const full = turn !== undefined && turn.allocations >= NEARLY_FULL * turn.mostAllocations
  const state: Figure = !node.media
    ? { name: 'State', value: 'Broken', more: 'a media thread has ended; restart', state: 'bad' }
    : node.draining
      ? { name: 'State', value: 'Draining', more: 'nobody new is let in', state: 'warn' }
      : { name: 'State', value: 'Running', more: `version ${node.version}` }
  return [
    state,
    { name: 'Rooms', value: String(node.rooms), more: `broadcasts, recordings: ${node.legs}` },
    { name: 'People', value: String(node.participants) },
    { name: 'Viewers', value: String(node.viewers), more: 'of broadcasts' },
    {
      name: shards.length === 1 ? 'Media thread' : `${shards.length} media threads`,
      value: transports.join(' · '),
      more: 'transports on each',
    },
    {
      name: 'TURN',
      value: turn ? String(turn.allocations) : 'off',
      more: turn ? `of ${turn.mostAllocations} allocations` : '',
      state: full ? 'warn' : undefined,
    },
  ]
}
