import { Participant } from './participant.js'
import { RemoteTrack, type TrackHost } from './remote-track.js'
import type { ServerMessage, Track, Participant as WireParticipant } from './wire.js'

/** What the roster tells. */
export interface RosterEvents {
  joined(participant: Participant): void
  left(participant: Participant): void
  away(participant: Participant): void
  added(track: RemoteTrack, participant: Participant): void
  removed(track: RemoteTrack, participant: Participant): void
  muted(track: RemoteTrack, participant: Participant): void
  /** What a track needs of its room. */
  host(participant: string): TrackHost
}

type RosterMessage = Extract<
  ServerMessage,
  {
    type:
      | 'participant-joined'
      | 'participant-left'
      | 'participant-away'
      | 'track-published'
      | 'track-unpublished'
      | 'track-muted'
  }
>

/** Who else is in the room and what they publish. */
export class Roster {
  readonly participants = new Map<string, Participant>()

  constructor(private readonly events: RosterEvents) {}

  handle(message: RosterMessage): void {
    switch (message.type) {
      case 'participant-joined':
        return this.#merge(message.participant)
      case 'participant-left':
        return this.#leave(message.participant)
      case 'participant-away':
        return this.#away(this.participants.get(message.participant), message.away)
      case 'track-published':
        return this.#publish(this.participants.get(message.participant), message.track)
      case 'track-unpublished':
        return this.#unpublish(this.participants.get(message.participant), message.track)
      case 'track-muted':
        return this.#mute(this.participants.get(message.participant), message.track, message.muted)
    }
  }

  /** Everybody who is there now; tells the differences. */
  sync(all: WireParticipant[]): void {
    const present = new Set(all.map(({ id }) => id))
    for (const id of [...this.participants.keys()]) if (!present.has(id)) this.#leave(id)
    for (const participant of all) this.#merge(participant)
  }

  /** Everybody is gone: the session is over. */
  clear(): void {
    this.sync([])
  }

  #merge(info: WireParticipant): void {
    let participant = this.participants.get(info.id)
    if (!participant) {
      participant = new Participant(info.id, info.name)
      participant.away = info.away
      this.participants.set(info.id, participant)
      this.events.joined(participant)
    }
    this.#away(participant, info.away)
    const present = new Set(info.tracks.map(({ id }) => id))
    for (const id of [...participant.tracks.keys()]) if (!present.has(id)) this.#unpublish(participant, id)
    for (const track of info.tracks) {
      this.#publish(participant, track)
      this.#mute(participant, track.id, track.muted)
    }
  }

  #leave(id: string): void {
    const participant = this.participants.get(id)
    if (!participant) return
    for (const track of [...participant.tracks.keys()]) this.#unpublish(participant, track)
    this.participants.delete(id)
    this.events.left(participant)
  }

  #away(participant: Participant | undefined, away: boolean): void {
    if (!participant || participant.away === away) return
    participant.away = away
    this.events.away(participant)
  }

  #publish(participant: Participant | undefined, info: Track): void {
    if (!participant || participant.tracks.has(info.id)) return
    const track = new RemoteTrack(info, participant.id, this.events.host(participant.id))
    participant.tracks.set(info.id, track)
    this.events.added(track, participant)
  }

  #unpublish(participant: Participant | undefined, id: string): void {
    const track = participant?.tracks.get(id)
    if (!participant || !track) return
    participant.tracks.delete(id)
    this.events.removed(track, participant)
    track.close()
  }

  #mute(participant: Participant | undefined, id: string, muted: boolean): void {
    const track = participant?.tracks.get(id)
    if (!participant || !track || track.muted === muted) return
    track.mute(muted)
    this.events.muted(track, participant)
  }
}
