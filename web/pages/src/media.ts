/** Camera, microphone and screen of this device, and what to say when the browser does not give them. */

export type Device = 'camera' | 'microphone'

export class MediaProblem extends Error {
  constructor(
    readonly device: Device | 'screen',
    readonly reason: 'blocked' | 'missing' | 'busy' | 'insecure',
  ) {
    super(explain(device, reason))
  }
}

/** Opens one device. `id` is preferred; with `exact` no other one will do. Throws `MediaProblem`. */
export async function open(device: Device, id?: string, exact = false): Promise<MediaStreamTrack> {
  const stream = await ask(
    device,
    device === 'camera' ? { video: picture(id, exact) } : { audio: sound(id, exact) },
  )
  const track = device === 'camera' ? stream.getVideoTracks()[0] : stream.getAudioTracks()[0]
  if (track === undefined) throw new MediaProblem(device, 'missing')
  return track
}

export type Opened = { camera?: MediaStreamTrack; microphone?: MediaStreamTrack; problems: MediaProblem[] }

/** Opens what is wanted with one question to the person; where that fails, each for itself. Never throws. */
export async function openAll(wanted: {
  camera: boolean
  microphone: boolean
  cameraId?: string
  microphoneId?: string
}): Promise<Opened> {
  if (wanted.camera && wanted.microphone) {
    try {
      const stream = await ask('camera', {
        video: picture(wanted.cameraId, false),
        audio: sound(wanted.microphoneId, false),
      })
      const [camera, microphone] = [stream.getVideoTracks()[0], stream.getAudioTracks()[0]]
      if (camera !== undefined && microphone !== undefined) return { camera, microphone, problems: [] }
    } catch {
      // One of the two is missing or refused; asked alone, the other one may work.
    }
  }
  const opened: Opened = { problems: [] }
  for (const device of ['microphone', 'camera'] as const) {
    if (!wanted[device]) continue
    try {
      opened[device] = await open(device, device === 'camera' ? wanted.cameraId : wanted.microphoneId)
    } catch (problem) {
      if (problem instanceof MediaProblem) opened.problems.push(problem)
    }
  }
  return opened
}

/** A screen, window or tab that the person picks; nothing when they change their mind. Throws `MediaProblem`. */
export async function openScreen(): Promise<MediaStream | undefined> {
  try {
    return await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true })
  } catch (error) {
    if (nameOf(error) === 'NotAllowedError') return undefined
    throw new MediaProblem('screen', reasonOf(error))
  }
}

/** Phones have no screen to share. */
export const canShareScreen = (): boolean => typeof navigator.mediaDevices?.getDisplayMedia === 'function'

/** Whether the person has allowed camera or microphone already, so that opening them asks nothing. */
export async function allowedAlready(): Promise<boolean> {
  try {
    const devices = await navigator.mediaDevices.enumerateDevices()
    return devices.some((device) => device.kind !== 'audiooutput' && device.label !== '')
  } catch {
    return false
  }
}

async function ask(device: Device, constraints: MediaStreamConstraints): Promise<MediaStream> {
  if (navigator.mediaDevices === undefined) throw new MediaProblem(device, 'insecure')
  try {
    return await navigator.mediaDevices.getUserMedia(constraints)
  } catch (error) {
    throw new MediaProblem(device, reasonOf(error))
  }
}

function picture(id: string | undefined, exact: boolean): MediaTrackConstraints {
  return { ...wish(id, exact), width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } }
}

function sound(id: string | undefined, exact: boolean): MediaTrackConstraints {
  return { ...wish(id, exact), echoCancellation: true, noiseSuppression: true, autoGainControl: true }
}

function wish(id: string | undefined, exact: boolean): MediaTrackConstraints {
  return id === undefined ? {} : { deviceId: exact ? { exact: id } : { ideal: id } }
}

const nameOf = (error: unknown): string =>
  error instanceof Error || error instanceof DOMException ? error.name : ''

/** Names of errors: Media Capture and Streams, section 10.3.1. */
function reasonOf(error: unknown): MediaProblem['reason'] {
  switch (nameOf(error)) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'blocked'
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing'
    default:
      return 'busy'
  }
}

function explain(device: MediaProblem['device'], reason: MediaProblem['reason']): string {
  switch (reason) {
    case 'blocked':
      return `Your browser blocks the ${device}. Allow it with the icon in the address bar, then turn it on again.`
    case 'missing':
      return `No ${device} was found. Plug one in, or join without.`
    case 'busy':
      return `The ${device} could not be started. Another program may be using it.`
    case 'insecure':
      return 'Browsers give camera and microphone to https:// pages and to localhost only. Open this page by https.'
  }
}
