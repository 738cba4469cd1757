/** What the browser remembers: names and devices for good, the choices for one room until this tab leaves it. */

export type Choices = {
  name: string
  camera: boolean
  microphone: boolean
  cameraId?: string | undefined
  microphoneId?: string | undefined
  speakerId?: string | undefined
}

const REMEMBERED = 'crescendo.remembered'
const KEYS = 'crescendo.keys'
const HANDED_OVER = 'crescendo.choices'

/** Longest name that is sent; the server cuts at `limits.name_chars` as well. */
export const MAX_NAME = 80

/** What the person chose last time, wherever that was. */
export function remembered(storage: Storage | undefined = stored('localStorage')): Choices {
  return parseChoices(read(storage, REMEMBERED)) ?? { name: '', camera: true, microphone: true }
}

export function remember(choices: Choices, storage: Storage | undefined = stored('localStorage')): void {
  write(storage, REMEMBERED, choices)
}

/** Hands the choices to the call page of `room`: whoever chose them is not asked again there, or after a reload. */
export function handOver(
  room: string,
  choices: Choices,
  storage: Storage | undefined = stored('sessionStorage'),
): void {
  write(storage, HANDED_OVER, { ...choices, room })
}

/** The choices that were handed over for `room`, if any. */
export function handedOver(
  room: string,
  storage: Storage | undefined = stored('sessionStorage'),
): Choices | undefined {
  const value = read(storage, HANDED_OVER)
  return isRecord(value) && value['room'] === room ? parseChoices(value) : undefined
}

/** Whether single letters do something in a call: they get in the way of some who speak to their computer. */
export function keysWanted(storage: Storage | undefined = stored('localStorage')): boolean {
  return read(storage, KEYS) !== false
}

export function wantKeys(wanted: boolean, storage: Storage | undefined = stored('localStorage')): void {
  write(storage, KEYS, wanted)
}

/** Ask again next time. */
export function takeBack(storage: Storage | undefined = stored('sessionStorage')): void {
  try {
    storage?.removeItem(HANDED_OVER)
  } catch {
    // Storage is switched off: nothing was handed over either.
  }
}

/** Whatever lies in storage may be old or edited: each field is taken only when it has the right type. */
export function parseChoices(value: unknown): Choices | undefined {
  if (!isRecord(value)) return undefined
  const text = (key: string) => (typeof value[key] === 'string' && value[key] !== '' ? value[key] : undefined)
  const choices: Choices = {
    name: (text('name') ?? '').slice(0, MAX_NAME),
    camera: value['camera'] !== false,
    microphone: value['microphone'] !== false,
  }
  for (const key of ['cameraId', 'microphoneId', 'speakerId'] as const) {
    const id = text(key)
    if (id !== undefined) choices[key] = id
  }
  return choices
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Storage throws on being touched where the browser blocks it. */
function stored(which: 'localStorage' | 'sessionStorage'): Storage | undefined {
  try {
    return globalThis[which]
  } catch {
    return undefined
  }
}

function read(storage: Storage | undefined, key: string): unknown {
  try {
    return JSON.parse(storage?.getItem(key) ?? 'null')
  } catch {
    return undefined
  }
}

function write(storage: Storage | undefined, key: string, value: unknown): void {
  try {
    storage?.setItem(key, JSON.stringify(value))
  } catch {
    // Full or switched off: the choice holds for this page alone.
  }
}
