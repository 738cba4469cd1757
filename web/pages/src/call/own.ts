import type { LocalTrack, Room, Source } from 'crescendo-client'
import { type Device, MediaProblem, canShareScreen, open, openScreen } from '../media'
import type { Choices } from '../preferences'

/** One's own camera, microphone and screen in a call: what is open, what is sent. */

export type OwnTracks = Partial<Record<Device, MediaStreamTrack>>

export class Own {
  #opening = new Set<Device>()
  #screen: MediaStream | undefined
  /** The browser asks which screen to share. */
  #picking = false

  constructor(
    private readonly room: Room,
    /** Followed and kept up to date, so that a rejoin starts as this call ended. */
    readonly choices: Choices,
    private readonly changed: () => void,
    private readonly problem: (text: string) => void,
  ) {}

  /** Whether others see or hear it. */
  on(device: Device): boolean {
    const track = this.#published(device)
    return track !== undefined && !track.muted
  }

  /** The picture that goes out, for one's own tile. */
  picture(source: 'camera' | 'screen'): MediaStreamTrack | undefined {
    const track = this.#published(source)
    return track === undefined || track.muted ? undefined : track.track
  }

  async toggle(device: Device): Promise<void> {
    if (this.#opening.has(device)) return
    this.#opening.add(device)
    try {
      if (this.on(device)) await this.#off(device)
      else await this.#turnOn(device)
      this.choices[device] = this.on(device)
    } catch (error) {
      this.#explain(error)
    }
    this.#opening.delete(device)
    this.changed()
  }

  /** Starts to share a screen, or stops. */
  async toggleScreen(): Promise<void> {
    if (this.#picking || !canShareScreen()) return
    this.#picking = true
    try {
      if (this.#screen !== undefined) return await this.#stopScreen()
      const screen = await openScreen()
      const picture = screen?.getVideoTracks()[0]
      if (screen === undefined || picture === undefined) return
      this.#screen = screen
      // The browser has a stop button of its own.
      picture.addEventListener('ended', () => void this.#stopScreen())
      picture.contentHint = 'detail'
      await this.room.publish(picture, { source: 'screen' })
      const sound = screen.getAudioTracks()[0]
      if (sound !== undefined) await this.room.publish(sound, { source: 'screen-audio' })
    } catch (error) {
      await this.#stopScreen()
      this.#explain(error)
    } finally {
      this.#picking = false
      this.changed()
    }
  }

  /** Uses another device from now on; also when it is off, for the next time. */
  async pick(device: Device, id: string): Promise<void> {
    this.choices[`${device}Id`] = id
    const published = this.#published(device)
    if (published === undefined || published.muted) return
    try {
      await this.#replace(published, await open(device, id, true))
    } catch (error) {
      this.#explain(error)
    }
    this.changed()
  }

  /** Switches everything off; the call is over. */
  close(): void {
    for (const { track } of this.room.localTracks.values()) track.stop()
    for (const track of this.#screen?.getTracks() ?? []) track.stop()
    this.#screen = undefined
  }

  /** A camera that is off gives its lamp back; a muted microphone stays open, so that unmuting takes no time. */
  async #off(device: Device): Promise<void> {
    const published = this.#published(device)
    if (published === undefined) return
    await this.room.mute(published.track, true)
    if (device === 'camera') published.track.stop()
  }

  async #turnOn(device: Device): Promise<void> {
    const published = this.#published(device)
    const usable = published?.track.readyState === 'live'
    const track = usable ? published.track : await open(device, this.choices[`${device}Id`])
    if (published === undefined) {
      await this.room.publish(track, { source: device })
    } else {
      if (!usable) await this.#replace(published, track)
      await this.room.mute(track, false)
    }
  }

  async #replace(published: LocalTrack, track: MediaStreamTrack): Promise<void> {
    const old = published.track
    await this.room.replaceTrack(old, track)
    old.stop()
  }

  async #stopScreen(): Promise<void> {
    const screen = this.#screen
    this.#screen = undefined
    for (const track of screen?.getTracks() ?? []) {
      track.stop()
      // Not published yet, or the room is gone: there is nothing left to take back.
      await this.room.unpublish(track).catch(() => {})
    }
    this.changed()
  }

  #published(source: Source): LocalTrack | undefined {
    return this.room.localTracks.get(source)
  }

  #explain(error: unknown): void {
    if (error instanceof MediaProblem) this.problem(error.message)
    else this.problem(error instanceof Error ? error.message : 'That did not work. Try again.')
  }
}
