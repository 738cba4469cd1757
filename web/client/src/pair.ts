import type { Carrier } from './wire.js'

/** An order of the server: receive a participant over `carrier`, and say when it is so. */
export interface Order {
  carrier: Carrier
  epoch: number
}

/** What a pair has to know of one of its tracks. */
export interface Progress {
  muted: boolean
  /** The carrier whose pictures or sound are presented now. */
  over: Carrier | undefined
}

/**
 * The path that one participant's media takes to us, as the server orders it. Every order is answered once: when the
 * carrier stands and each unmuted track is presented over it. An order replaces the one before it; one of an older epoch
 * is dropped.
 */
export class Pair {
  #order: Order | undefined
  #owed = false

  /** Where media is wanted from; undefined until the first order: from wherever it comes. */
  get target(): Carrier | undefined {
    return this.#order?.carrier
  }

  /** False when the order is out of date. */
  order(order: Order): boolean {
    if (this.#order && order.epoch < this.#order.epoch) return false
    this.#order = order
    this.#owed = true
    return true
  }

  /** The order that is fulfilled now and was not answered yet. Returned once. */
  fulfilled(tracks: Iterable<Progress>, stands: (carrier: Carrier) => boolean): Order | undefined {
    const order = this.#order
    if (!order || !this.#owed || !stands(order.carrier)) return undefined
    for (const track of tracks) {
      if (!track.muted && track.over !== order.carrier) return undefined
    }
    this.#owed = false
    return order
  }
}

/**
 * Which of the ways that a track arrives by is to be presented: the target's as soon as there is one, until then what is
 * presented already, and anything rather than nothing.
 */
export function choose<Way>(
  target: Carrier | undefined,
  presented: Way | undefined,
  ways: ReadonlyMap<Carrier, Way>,
): Way | undefined {
  const wanted = target && ways.get(target)
  if (wanted) return wanted
  const all = [...ways.values()]
  return presented && all.includes(presented) ? presented : all[0]
}
