import { DevicePicker } from './devices'
import { h, setText } from './dom'
import { icon, setIcon } from './icons'
import { LevelMeter } from './level'
import { type Device, MediaProblem, open, openAll } from './media'
import type { Choices } from './preferences'

/** See and hear oneself before a call: picture, level, two switches, three device menus. */

const WORDS = {
  camera: { on: 'Turn camera off', off: 'Turn camera on', icon: 'camera', iconOff: 'camera-off' },
  microphone: {
    on: 'Mute microphone',
    off: 'Unmute microphone',
    icon: 'microphone',
    iconOff: 'microphone-off',
  },
} as const

export class Preview {
  readonly #video = h('video', {
    class: 'mirrored',
    playsinline: true,
    autoplay: true,
    'aria-label': 'Your camera',
  })
  readonly #empty = h('div', { class: 'preview-empty' })
  readonly #emptyText = h('p', {})
  readonly #allow = h('button', { class: 'button', type: 'button' }, 'Turn on camera and microphone')
  readonly #meter = h('div', {
    class: 'meter',
    role: 'meter',
    'aria-label': 'Microphone level',
    'aria-valuemin': '0',
    'aria-valuemax': '100',
    'aria-valuenow': '0',
  })
  readonly #problem = h('p', { class: 'problem', role: 'alert', hidden: true })
  readonly #switches = { microphone: this.#switch('microphone'), camera: this.#switch('camera') }
  readonly #tracks: Partial<Record<Device, MediaStreamTrack>> = {}
  readonly #level: LevelMeter
  readonly #picker: DevicePicker
  #on: Record<Device, boolean>
  #ids: Pick<Choices, 'cameraId' | 'microphoneId' | 'speakerId'> = {}
  #started = false
  #closed = false
  /** The last opening of a device, which may wait for the person's permission. */
  #opening: Promise<void> = Promise.resolve()

  constructor(root: HTMLElement, choices: Choices) {
    this.#on = { camera: choices.camera, microphone: choices.microphone }
    const { cameraId, microphoneId, speakerId } = choices
    this.#ids = { cameraId, microphoneId, speakerId }
    this.#video.muted = true
    const bars = Array.from({ length: 5 }, () => h('i'))
    this.#meter.append(...bars)
    let lastValue = 0
    this.#level = new LevelMeter((level) => {
      bars.forEach((bar, index) => (bar.dataset['lit'] = String(level * bars.length > index + 0.35)))
      const value = Math.round(level * 10) * 10
      if (value !== lastValue) this.#meter.setAttribute('aria-valuenow', String((lastValue = value)))
    })
    this.#picker = new DevicePicker(choices, (kind, id) => {
      this.#ids = { ...this.#ids, [`${kind}Id`]: id }
      if (kind !== 'speaker' && this.#on[kind]) void this.#open(kind, true)
    })
    this.#allow.addEventListener('click', () => void this.start())
    this.#empty.append(icon('camera-off'), this.#emptyText, this.#allow)
    root.append(
      h(
        'div',
        { class: 'preview-picture' },
        this.#video,
        this.#empty,
        h(
          'div',
          { class: 'preview-controls' },
          this.#switches.microphone,
          this.#meter,
          this.#switches.camera,
        ),
      ),
      this.#problem,
      this.#picker.element,
    )
    document.addEventListener('pointerdown', () => this.#level.wake())
    this.#draw()
  }

  /** Opens what is switched on; asks the person where that is needed. */
  start(): Promise<void> {
    this.#started = true
    return (this.#opening = this.#openWanted())
  }

  async #openWanted(): Promise<void> {
    this.#say(undefined)
    this.#draw()
    const opened = await openAll({ ...this.#on, ...this.#ids })
    for (const device of ['camera', 'microphone'] as const) this.#use(device, opened[device])
    this.#failed(...opened.problems)
    await this.#picker.refresh()
    this.#showUsed()
  }

  /** What was chosen, without the name. */
  choices(): Omit<Choices, 'name'> {
    return { ...this.#on, ...this.#ids }
  }

  /** Gives the tracks away once those that are being opened are there: whoever takes them stops them. */
  async take(): Promise<Partial<Record<Device, MediaStreamTrack>>> {
    await this.#opening
    return this.#giveAway()
  }

  /** Switches camera and microphone off for good. */
  close(): void {
    for (const track of Object.values(this.#giveAway())) track.stop()
  }

  #giveAway(): Partial<Record<Device, MediaStreamTrack>> {
    const tracks = { ...this.#tracks }
    this.#closed = true
    this.#level.close()
    this.#picker.close()
    this.#video.srcObject = null
    delete this.#tracks.camera
    delete this.#tracks.microphone
    return tracks
  }

  #switch(device: Device): HTMLButtonElement {
    const button = h('button', { class: 'round', type: 'button', 'data-switch': device })
    button.addEventListener('click', () => void this.#toggle(device))
    return button
  }

  async #toggle(device: Device): Promise<void> {
    this.#on[device] = !this.#on[device]
    this.#say(undefined)
    if (!this.#on[device]) this.#use(device, undefined)
    else if (this.#started) await this.#open(device, false)
    else await this.start()
    this.#draw()
  }

  #open(device: Device, exact: boolean): Promise<void> {
    return (this.#opening = this.#openOne(device, exact))
  }

  async #openOne(device: Device, exact: boolean): Promise<void> {
    try {
      this.#say(undefined)
      const track = await open(
        device,
        device === 'camera' ? this.#ids.cameraId : this.#ids.microphoneId,
        exact,
      )
      if (this.#on[device]) this.#use(device, track)
      else track.stop()
      await this.#picker.refresh()
      this.#showUsed()
    } catch (error) {
      if (!(error instanceof MediaProblem)) throw error
      this.#failed(error)
    }
  }

  #use(device: Device, track: MediaStreamTrack | undefined): void {
    // The page has gone on without it.
    if (this.#closed) return track?.stop()
    this.#tracks[device]?.stop()
    if (track === undefined) delete this.#tracks[device]
    else this.#tracks[device] = track
    if (device === 'camera') this.#video.srcObject = track === undefined ? null : new MediaStream([track])
    else this.#level.listen(track)
    this.#draw()
  }

  #failed(...problems: MediaProblem[]): void {
    for (const { device } of problems) if (device !== 'screen') this.#on[device] = false
    if (problems.length > 0) this.#say([...new Set(problems.map(({ message }) => message))].join(' '))
    this.#draw()
  }

  #showUsed(): void {
    for (const device of ['camera', 'microphone'] as const)
      this.#picker.show(device, this.#tracks[device]?.getSettings().deviceId)
  }

  #say(text: string | undefined): void {
    this.#problem.hidden = text === undefined
    setText(this.#problem, text ?? '')
  }

  #draw(): void {
    for (const device of ['microphone', 'camera'] as const) {
      const [button, on, words] = [this.#switches[device], this.#on[device], WORDS[device]]
      const label = on ? words.on : words.off
      button.setAttribute('aria-label', label)
      button.title = label
      button.dataset['on'] = String(on)
      setIcon(button, on ? words.icon : words.iconOff)
    }
    const showing = this.#tracks.camera !== undefined
    this.#empty.hidden = showing
    this.#video.hidden = !showing
    this.#meter.hidden = !this.#on.microphone
    this.#allow.hidden = this.#started
    setText(
      this.#emptyText,
      !this.#started
        ? 'See how you look before you join'
        : this.#on.camera
          ? 'Starting the camera…'
          : 'Your camera is off',
    )
  }
}
