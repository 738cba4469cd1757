/** A voice begins above this level (0 to 1, as RTCRtpSynchronizationSource.audioLevel) and has ended below the lower one. */
const ON_LEVEL = 0.02
const OFF_LEVEL = 0.01
/** A pause this long ends it, ms. Lower: the mark flickers between words; higher: it stays on people who have finished. */
const HOLD_MS = 700

/** Who is speaking, the loudest first. Pure: levels and time go in. */
export class Speakers {
  readonly #heard = new Map<string, { at: number; level: number }>()
  #active: string[] = []

  /** The new list when somebody began or ended, else undefined. */
  update(now: number, levels: ReadonlyMap<string, number>): string[] | undefined {
    for (const [id, level] of levels) {
      const speaking = this.#heard.has(id)
      if (level >= (speaking ? OFF_LEVEL : ON_LEVEL)) this.#heard.set(id, { at: now, level })
    }
    for (const [id, { at }] of this.#heard) {
      if (!levels.has(id) || now - at > HOLD_MS) this.#heard.delete(id)
    }
    const before = new Set(this.#active)
    const same = before.size === this.#heard.size && [...this.#heard.keys()].every((id) => before.has(id))
    if (same) return undefined
    this.#active = [...this.#heard].sort(([, a], [, b]) => b.level - a.level).map(([id]) => id)
    return this.#active
  }
}
