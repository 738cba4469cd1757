import type { Counts, Room } from './api'

/** Rates out of counters: what each person sends and gets, and how much of it is lost. Pure. */

export type Rate = { kbps: number; lossPercent: number }

export type Figures = { sends: Rate | undefined; receives: Rate | undefined; rttMs: number | undefined }

/** A rate is over this long, ms. Longer: smoother; shorter: sooner true. */
const WINDOW_MS = 6000
/** Nothing is said of less than this, ms: counters step, and over short times that looks like a rush. */
const LEAST_MS = 1000
/** Two readings that are closer than this are of one moment, ms. */
const SAME_MS = 200

/** One counter over time. */
export class Meter {
  #samples: { at: number; counts: Counts }[] = []

  add(at: number, { bytes, packets, lost }: Counts): void {
    const newest = this.#samples.at(-1)
    if (newest && (bytes < newest.counts.bytes || packets < newest.counts.packets)) this.#samples = []
    else if (newest && at - newest.at < SAME_MS) return
    this.#samples.push({ at, counts: { bytes, packets, lost } })
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) >= WINDOW_MS) this.#samples.shift()
  }

  /** Nothing before there is something to compare, and when the last reading is old. */
  rate(now: number): (Rate & { lost: number; packets: number }) | undefined {
    const [oldest, newest] = [this.#samples[0], this.#samples.at(-1)]
    if (!oldest || !newest || newest.at - oldest.at < LEAST_MS || now - newest.at > 2 * WINDOW_MS)
      return undefined
    const since = (name: keyof Counts) => Math.max(0, newest.counts[name] - oldest.counts[name])
    const [lost, packets] = [since('lost'), since('packets')]
    return {
      kbps: (since('bytes') * 8) / (newest.at - oldest.at),
      lossPercent: percent(lost, packets),
      lost,
      packets,
    }
  }
}

/** Those of a room. */
export class Rates {
  #meters = new Map<string, Meter>()

  /** Takes in a view of the room; what each person in it does now, by id. */
  read(room: Room, now: number): Map<string, Figures> {
    const meters = new Map<string, Meter>()
    const rate = (key: string, at: number, counts: Counts) => {
      const meter = this.#meters.get(key) ?? new Meter()
      meters.set(key, meter)
      meter.add(at, counts)
      return meter.rate(now)
    }
    type Found = ReturnType<Meter['rate']>
    const sends = new Map<string, Found[]>()
    const receives = new Map<string, Found[]>()
    const rtts = new Map<string, number[]>()
    const put = <T>(into: Map<string, T[]>, id: string, value: T) =>
      void (into.get(id)?.push(value) ?? into.set(id, [value]))
    for (const { participant, up, down, links } of room.traffic) {
      if (up) put(sends, participant, rate(`${participant} up`, now, up))
      if (down) put(receives, participant, rate(`${participant} down`, now, down))
      for (const link of links) {
        const found = rate(`${participant} from ${link.from}`, now - link.ageMs, link)
        put(receives, participant, found)
        put(sends, link.from, found)
        if (link.rttMs !== undefined) put(rtts, participant, link.rttMs)
      }
    }
    // What is gone is forgotten.
    this.#meters = meters
    const figures = (id: string): Figures => ({
      sends: sum(sends.get(id) ?? []),
      receives: sum(receives.get(id) ?? []),
      rttMs: rtts.has(id) ? Math.max(...(rtts.get(id) ?? [])) : undefined,
    })
    return new Map(room.participants.map(({ id }) => [id, figures(id)]))
  }
}

function sum(rates: ReturnType<Meter['rate']>[]): Rate | undefined {
  const known = rates.filter((rate) => rate !== undefined)
  if (known.length === 0) return undefined
  const total = (name: 'kbps' | 'lost' | 'packets') => known.reduce((sum, rate) => sum + rate[name], 0)
  return { kbps: total('kbps'), lossPercent: percent(total('lost'), total('packets')) }
}

function percent(lost: number, packets: number): number {
  return lost + packets > 0 ? (100 * lost) / (lost + packets) : 0
}

/** As people read it: "812 kbit/s", "1.9 Mbit/s". */
export function bitrate(kbps: number): string {
  if (kbps < 1000) return `${Math.round(kbps)} kbit/s`
  return `${Number((kbps / 1000).toFixed(kbps < 10_000 ? 1 : 0))} Mbit/s`
}

export function loss(percent: number): string {
  return `${Number(percent.toFixed(percent < 10 ? 1 : 0))} %`
}
