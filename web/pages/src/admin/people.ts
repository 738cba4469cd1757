import { h, setAttribute, setText } from '../dom'
import { icon, setIcon } from '../icons'
import { act, ask } from './ask'
import type { Api, Participant, Room, Track } from './api'
import { Part } from './part'
import { Spark } from './plot'
import { bitrate, loss, type Figures, type Rate } from './rates'
import { Rows } from './rows'
import { PATHS, SOURCES, pathKind, type PathKind } from './words'

/** Who is in a room: a table with a row for each, and what can be done about them. */

export type Person = { room: Room; participant: Participant; figures: Figures | undefined; at: number }

/** From this share of lost packets on a figure is shown as bad, in percent: speech begins to suffer. */
const BAD_PERCENT = 5

export class People {
  readonly element: HTMLElement
  readonly #part: Part<Person, Row>

  constructor(api: Api, again: () => void) {
    this.#part = new Part(
      {
        title: 'People',
        none: 'Nobody is in the room.',
        table: 'people',
        caption: 'People in the room',
        label: 'Table of people',
        heads: ['Person', 'Gets the others', 'Sends', 'Receives', 'Round trip', 'Tracks'],
        act: 'Put out',
      },
      ({ participant }) => participant.id,
      (person) => new Row(person, api, again),
    )
    this.element = this.#part.element
  }

  show(room: Room, figures: Map<string, Figures>, at: number): void {
    const person = (participant: Participant) => ({
      room,
      participant,
      figures: figures.get(participant.id),
      at,
    })
    this.#part.show(room.participants.map(person))
  }
}

class Row {
  readonly element = h('tr', {})
  readonly #name = h('span', { class: 'person-name' })
  readonly #id = h('span', { class: 'person-id' })
  readonly #paths = h('td', { class: 'paths' })
  readonly #sends = new RateCell()
  readonly #receives = new RateCell()
  readonly #rtt = h('td', { class: 'number' })
  readonly #tracks = h('div', { class: 'tracks' })
  readonly #trackRows: Rows<Track, TrackButton>
  readonly #out = h('button', { class: 'button quiet small out', type: 'button' }, 'Put out')
  #person: Person

  constructor(person: Person, api: Api, again: () => void) {
    this.#person = person
    const { id } = person.participant
    const room = person.room.name
    this.#trackRows = new Rows(
      this.#tracks,
      (track) => track.id,
      (track) =>
        new TrackButton(
          track,
          () => this.#person.participant.name || id,
          async (muted) => {
            await api.mute(room, id, track.id, muted)
            again()
          },
        ),
    )
    this.#out.addEventListener('click', async () => {
      const name = this.#person.participant.name || id
      if (
        !(await ask(
          `Put ${name} out?`,
          'They are told so, and can come back if they may still join.',
          'Put out',
        ))
      )
        return
      await act(this.#out, () => api.remove(room, id), `${name} was put out.`)
      again()
    })
    this.element.dataset['participant'] = id
    this.element.append(
      h('th', { scope: 'row', class: 'person' }, this.#name, this.#id),
      this.#paths,
      this.#sends.element,
      this.#receives.element,
      this.#rtt,
      h('td', {}, this.#tracks),
      h('td', { class: 'last' }, this.#out),
    )
  }

  show(person: Person): void {
    this.#person = person
    const { participant, room, figures, at } = person
    setText(this.#name, participant.name || 'nameless')
    const notes = [participant.away && 'away', room.hidden.includes(participant.id) && 'hidden']
    setText(this.#id, [participant.id, ...notes].filter(Boolean).join(' · '))
    setAttribute(this.element, 'data-away', participant.away ? 'true' : undefined)
    setAttribute(this.#out, 'aria-label', `Put ${participant.name || participant.id} out`)
    this.#showPaths(room)
    this.#sends.show(figures?.sends, at)
    this.#receives.show(figures?.receives, at)
    setText(this.#rtt, figures?.rttMs === undefined ? '–' : `${figures.rttMs} ms`)
    this.#trackRows.show(participant.tracks)
  }

  #showPaths(room: Room): void {
    const own = room.paths.filter(({ receiver }) => receiver === this.#person.participant.id)
    // Who sends nothing has no path.
    const senders = new Set(room.participants.filter(({ tracks }) => tracks.length > 0).map(({ id }) => id))
    const by = new Map<PathKind, string[]>()
    for (const path of own.filter(({ sender }) => senders.has(sender))) {
      const kind = pathKind(path)
      by.set(kind, [...(by.get(kind) ?? []), path.sender])
    }
    const key = JSON.stringify([...by])
    if (this.#paths.dataset['key'] === key) return
    this.#paths.dataset['key'] = key
    this.#paths.replaceChildren(
      ...[...by].sort().map(([kind, from]) => {
        const words = PATHS[kind]
        const names = from.map((id) => room.participants.find((p) => p.id === id)?.name || id).join(', ')
        const count = by.size > 1 || from.length > 1 ? ` ${from.length}` : ''
        return h(
          'span',
          { class: 'path', 'data-path': kind, title: `${words.title}: ${names}` },
          icon(words.icon),
          words.text + count,
        )
      }),
    )
    if (by.size === 0) this.#paths.append('–')
  }
}

class RateCell {
  readonly #spark = new Spark()
  readonly #kbps = h('span', { class: 'rate-kbps' })
  readonly #loss = h('span', { class: 'rate-loss' })
  readonly element = h(
    'td',
    { class: 'rate' },
    h('div', {}, h('span', { class: 'rate-text' }, this.#kbps, this.#loss)),
  )

  constructor() {
    this.element.firstElementChild?.append(this.#spark.element)
  }

  show(rate: Rate | undefined, at: number): void {
    this.#spark.add(at, rate?.kbps)
    setText(this.#kbps, rate ? bitrate(rate.kbps) : '–')
    setText(this.#loss, rate ? `${loss(rate.lossPercent)} lost` : '')
    setAttribute(this.#loss, 'data-bad', rate && rate.lossPercent >= BAD_PERCENT ? 'true' : undefined)
  }
}

class TrackButton {
  readonly element = h('button', { class: 'track', type: 'button' })
  #muted = false

  constructor(
    private readonly track: Track,
    private readonly who: () => string,
    mute: (muted: boolean) => Promise<void>,
  ) {
    this.element.dataset['track'] = track.id
    this.element.addEventListener('click', () => {
      const muted = !this.#muted
      const what = SOURCES[track.source]?.text ?? track.source
      const done = `${who()}: ${what} ${muted ? 'muted' : 'unmuted'}.`
      void act(this.element, () => mute(muted), done)
    })
  }

  show({ muted }: Track): void {
    this.#muted = muted
    const words = SOURCES[this.track.source]
    setIcon(this.element, (muted ? words?.off : words?.on) ?? 'help')
    setAttribute(this.element, 'aria-pressed', String(muted))
    const what = words?.text ?? this.track.source
    setAttribute(this.element, 'aria-label', `Mute ${what} of ${this.who()}`)
    this.element.title = `${muted ? 'Unmute' : 'Mute'} ${what}`
  }
}
