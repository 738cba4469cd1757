import { h } from './dom'
import type { Choices } from './preferences'

/** Choosing among the devices of this machine. */

export type DeviceKind = 'microphone' | 'camera' | 'speaker'

const KINDS: Record<DeviceKind, { kind: MediaDeviceKind; label: string }> = {
  microphone: { kind: 'audioinput', label: 'Microphone' },
  camera: { kind: 'videoinput', label: 'Camera' },
  speaker: { kind: 'audiooutput', label: 'Speaker' },
}

/** Whether sound can be sent to a speaker of choice. */
export const canPickSpeaker = (): boolean => 'setSinkId' in HTMLMediaElement.prototype

/** Three labelled menus that follow the devices as they come and go. */
export class DevicePicker {
  readonly element: HTMLElement
  readonly #chosen: Record<DeviceKind, string | undefined>
  readonly #menus = new Map<DeviceKind, HTMLSelectElement>()
  readonly #changed = () => void this.refresh()

  constructor(
    /** What is wanted; `pick` says when that changes. */
    { microphoneId, cameraId, speakerId }: Pick<Choices, 'microphoneId' | 'cameraId' | 'speakerId'>,
    private readonly pick: (kind: DeviceKind, id: string) => void,
  ) {
    this.#chosen = { microphone: microphoneId, camera: cameraId, speaker: speakerId }
    this.element = h('div', { class: 'devices' })
    for (const kind of ['microphone', 'camera', 'speaker'] as const) {
      if (kind === 'speaker' && !canPickSpeaker()) continue
      const menu = h('select', { class: 'input', 'data-device': kind })
      menu.addEventListener('change', () => {
        this.#chosen[kind] = menu.value
        this.pick(kind, menu.value)
      })
      this.#menus.set(kind, menu)
      this.element.append(
        h('label', { class: 'field' }, h('span', { class: 'field-label' }, KINDS[kind].label), menu),
      )
    }
    navigator.mediaDevices?.addEventListener('devicechange', this.#changed)
    void this.refresh()
  }

  /** Reads the devices again: their names are only told once access is given. */
  async refresh(): Promise<void> {
    const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? []
    for (const [name, menu] of this.#menus) {
      const there = devices.filter((device) => device.kind === KINDS[name].kind)
      // Until access is given a device has no identifier.
      const fitting = there.filter((device) => device.deviceId !== '')
      const options = fitting.map((device, index) =>
        h('option', { value: device.deviceId }, device.label || `${KINDS[name].label} ${index + 1}`),
      )
      const none = there.length > 0 ? 'To be seen once it is allowed' : 'None found'
      if (options.length === 0)
        options.push(h('option', { value: '' }, name === 'speaker' ? 'System default' : none))
      menu.replaceChildren(...options)
      menu.disabled = fitting.length === 0
      const chosen = this.#chosen[name]
      if (fitting.some((device) => device.deviceId === chosen)) menu.value = chosen ?? ''
    }
  }

  /** Shows what is really in use. */
  show(kind: DeviceKind, id: string | undefined): void {
    if (id === undefined) return
    this.#chosen[kind] = id
    const menu = this.#menus.get(kind)
    if (menu !== undefined && [...menu.options].some((option) => option.value === id)) menu.value = id
  }

  close(): void {
    navigator.mediaDevices?.removeEventListener('devicechange', this.#changed)
  }
}
