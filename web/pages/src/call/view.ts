import type { Participant, RemoteTrack, Room, TrackStats } from 'crescendo-client'
import { byId, setText } from '../dom'
import type { Own } from './own'
import { pathOf, type Path } from './path'
import { type Person, showPeople } from './people'
import { type Quality, qualityOf, worst } from './quality'
import { Stage } from './stage'

/** The pictures, the sounds and the list of people, drawn from what the room is now. */

/** The tile of one's own has this id in place of a participant's. */
const SELF = 'self'

export class View {
  readonly #stage = new Stage(byId('stage', HTMLElement))
  readonly #sounds = byId('audio', HTMLElement)
  readonly #qualities = new Map<string, Quality | undefined>()
  /** Whose path goes through TURN. */
  readonly #relayed = new Set<string>()
  #speaking = new Set<string>()

  constructor(
    private readonly room: Room,
    private readonly own: Own,
    private readonly ownName: string,
  ) {}

  /** Draws everybody; what has not changed is left alone. */
  draw(): void {
    for (const person of this.room.participants.values()) this.#person(person)
    this.#self()
    const count = this.room.participants.size + 1
    setText(byId('people-count', HTMLElement), String(count))
    showPeople(byId('people-panel', HTMLElement), this.#people())
  }

  speak(ids: string[]): void {
    this.#speaking = new Set(ids)
  }

  /** Takes in what `Room.stats` says. */
  measured(tracks: TrackStats[]): void {
    for (const { id, tracks: known } of this.room.participants.values()) {
      const relayed = tracks.some((track) => track.participant === id && track.relayed)
      if (relayed) this.#relayed.add(id)
      else this.#relayed.delete(id)
      const shown = tracks.filter(
        ({ participant, path, track }) => participant === id && path && known.get(track)?.muted === false,
      )
      const qualities = shown.map(({ rttMs, lossPercent, longestGapMs, kind }) =>
        qualityOf({ rttMs, lossPercent, longestGapMs: kind === 'video' ? longestGapMs : undefined }),
      )
      this.#qualities.set(id, worst(qualities))
    }
  }

  removePerson(id: string): void {
    this.#stage.remove(id, 'camera')
    this.#stage.remove(id, 'screen')
    this.#qualities.delete(id)
    this.#relayed.delete(id)
  }

  removeScreen(id: string): void {
    this.#stage.remove(id, 'screen')
  }

  clear(): void {
    this.#stage.clear()
  }

  #person(person: Participant): void {
    const { id, name, away } = person
    const tracks = tracksOf(person)
    const { camera, microphone, screen } = tracks
    const tile = this.#stage.ensure(id, 'camera')
    const muted = microphone?.muted ?? true
    tile.show({
      name,
      away,
      muted,
      speaking: this.#speaking.has(id),
      picture: camera?.muted === false,
      path: this.#path(id, camera?.over ? camera : microphone),
      quality: this.#qualities.get(id),
    })
    camera?.attach(tile.media)
    if (screen !== undefined) {
      const large = this.#stage.ensure(id, 'screen')
      const path = this.#path(id, screen)
      large.show({ name, away, muted, speaking: false, picture: !screen.muted, path })
      screen.attach(large.media)
    }
    microphone?.attach(this.#sounds)
    tracks['screen-audio']?.attach(this.#sounds)
  }

  #path(id: string, track: RemoteTrack | undefined): Path | undefined {
    return pathOf(track?.over, this.#relayed.has(id))
  }

  #self(): void {
    const name = this.ownName
    const picture = this.own.picture('camera')
    const tile = this.#stage.ensure(SELF, 'camera', true)
    tile.showOwn(picture)
    tile.show({
      name,
      away: false,
      muted: !this.own.on('microphone'),
      speaking: this.#speaking.has(this.room.id),
      picture: picture !== undefined,
    })
    const screen = this.own.picture('screen')
    if (screen === undefined) return this.#stage.remove(SELF, 'screen')
    const large = this.#stage.ensure(SELF, 'screen', true)
    large.showOwn(screen)
    large.show({ name, away: false, muted: false, speaking: false, picture: true })
  }

  #people(): Person[] {
    const self: Person = {
      name: this.ownName,
      self: true,
      away: false,
      microphone: this.own.on('microphone'),
      camera: this.own.on('camera'),
      screen: this.own.picture('screen') !== undefined,
    }
    const others = [...this.room.participants.values()].map((person) => {
      const { microphone, camera, screen } = tracksOf(person)
      return {
        name: person.name,
        self: false,
        away: person.away,
        microphone: microphone?.muted === false,
        camera: camera?.muted === false,
        screen: screen !== undefined,
        path: this.#path(person.id, camera?.over ? camera : microphone),
      }
    })
    return [self, ...others]
  }
}

function tracksOf(person: Participant): Partial<Record<RemoteTrack['source'], RemoteTrack>> {
  const found: Partial<Record<RemoteTrack['source'], RemoteTrack>> = {}
  for (const track of person.tracks.values()) found[track.source] = track
  return found
}
