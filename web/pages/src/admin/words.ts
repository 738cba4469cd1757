import type { IconName } from '../icons'
import type { Path } from './api'
import type { Happening } from './stream'

/** What the API says, in words. Pure. */

const MODES: Record<string, { icon: IconName; text: string; title: string }> = {
  mesh: { icon: 'direct', text: 'Mesh', title: 'Everybody is connected to everybody' },
  promoting: { icon: 'moving', text: 'Promoting', title: 'On the way from mesh to the server' },
  sfu: { icon: 'server', text: 'SFU', title: 'Media goes by way of the server' },
  demoting: { icon: 'moving', text: 'Demoting', title: 'On the way from the server back to mesh' },
}

export function modeWords(mode: string) {
  return MODES[mode] ?? { icon: 'help' as IconName, text: mode, title: mode }
}

export type PathKind = 'direct' | 'relayed' | 'sfu' | 'moving' | 'none'

export const PATHS: Record<PathKind, { icon: IconName; text: string; title: string }> = {
  direct: { icon: 'direct', text: 'Direct', title: 'straight from the others' },
  relayed: { icon: 'relay', text: 'Relayed', title: 'from the others by way of TURN' },
  sfu: { icon: 'server', text: 'SFU', title: 'by way of the media server' },
  moving: { icon: 'moving', text: 'Moving', title: 'on the way to another path' },
  none: { icon: 'alert', text: 'Nothing', title: 'nothing is shown' },
}

export function pathKind({ state, carrier, relayed }: Path): PathKind {
  if (state === 'none') return 'none'
  if (state !== 'shown') return 'moving'
  if (carrier === 'sfu') return 'sfu'
  return relayed === true ? 'relayed' : 'direct'
}

export const SOURCES: Record<string, { on: IconName; off: IconName; text: string }> = {
  microphone: { on: 'microphone', off: 'microphone-off', text: 'microphone' },
  camera: { on: 'camera', off: 'camera-off', text: 'camera' },
  screen: { on: 'screen', off: 'screen-off', text: 'screen' },
  'screen-audio': { on: 'speaker', off: 'speaker-off', text: 'sound of the screen' },
}

export const LEGS: Record<string, string> = { hls: 'Broadcast', record: 'Recording', other: 'Other' }

const REASONS: Record<string, string> = {
  left: 'left',
  vanished: 'lost its connection and did not come back',
  'sfu-unreachable': 'could not reach the media port',
  removed: 'was put out',
}

/** One line of the log; `who` gives the name that belongs to an id. */
export function eventWords(event: Happening, who: (id: string) => string): string {
  const text = (name: string) => String(event[name] ?? '')
  switch (event.type) {
    case 'room-opened':
      return 'the room was opened'
    case 'room-closed':
      return 'the room was closed'
    case 'participant-joined':
      return `${who(text('participant'))} joined`
    case 'participant-left':
      return `${who(text('participant'))} ${REASONS[text('reason')] ?? text('reason')}`
    case 'track-published':
    case 'track-unpublished': {
      const track = event['track'] as { source?: string } | string
      const what = typeof track === 'string' ? track : (SOURCES[track.source ?? '']?.text ?? 'track')
      return `${who(text('participant'))} ${event.type === 'track-published' ? 'sends' : 'no longer sends'} ${what}`
    }
    case 'mode-switched':
      return `now ${modeWords(text('to')).text}, after ${(Number(event['tookMs']) / 1000).toFixed(1)} s`
    case 'leg-started':
      return `${(LEGS[text('kind')] ?? text('kind')).toLowerCase()} ${text('leg')} was started`
    case 'leg-live':
      return `${text('leg')} is live`
    case 'leg-failed':
      return `${text('leg')} failed: ${text('reason')}`
    case 'leg-ended':
      return `${text('leg')} ended`
    case 'recording-ready':
      return `recording ${text('recording')} can be downloaded`
    case 'recording-uploaded':
      return `recording ${text('recording')} is at ${text('to')}`
    default:
      return event.type
  }
}

/** "3 min", "2 h 05 min". */
export function ago(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000)
  if (minutes < 1) return `${Math.floor(Math.max(0, ms) / 1000)} s`
  return minutes < 60
    ? `${minutes} min`
    : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}
