import type { Carrier } from 'crescendo-client'
import type { IconName } from '../icons'

/** The way that somebody's picture and sound take to here, in words. Pure. */

export type Path = 'direct' | 'relayed' | 'server'

export const PATHS: Record<Path, { icon: IconName; text: string; words: string }> = {
  direct: { icon: 'direct', text: 'Direct', words: 'connected directly' },
  relayed: { icon: 'relay', text: 'Relayed', words: 'connected by way of a relay' },
  server: { icon: 'server', text: 'Server', words: 'connected through the server' },
}

/** `over`: what is presented now comes this way; `relayed`: that goes through TURN. */
export function pathOf(over: Carrier | undefined, relayed: boolean): Path | undefined {
  if (over === undefined) return undefined
  if (over === 'sfu') return 'server'
  return relayed ? 'relayed' : 'direct'
}
