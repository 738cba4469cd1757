// What the eye's record says about a stretch of time. All times are epoch ms, all lengths ms.
import { BLANK, STRANGER, steps, TORN } from '../page/picture.js'

/**
 * runs: [first seen, what] at each change; the stretch is [from, to].
 * Gives hold (the longest time that one picture stood still within the stretch) and heldAt (when that began), blanks and blankMs, torn, strangers, and
 * back (how often an older picture came after a newer one).
 */
export function inspect(runs, from, to) {
  const result = { hold: 0, heldAt: from, blanks: 0, blankMs: 0, torn: 0, strangers: 0, back: 0, pictures: 0 }
  // Between two pictures whatever was unreadable counts as standing still: a person saw no new picture.
  let begun = from
  let newest
  const held = until => {
    if (until - begun > result.hold) Object.assign(result, { hold: until - begun, heldAt: begun })
  }
  runs.forEach(([at, what], index) => {
    const until = Math.min(runs[index + 1]?.[0] ?? to, to)
    if (until <= from || at >= to) {
      if (at < from && what >= 0) newest = what
      return
    }
    if (what === BLANK) {
      result.blanks++
      result.blankMs += until - Math.max(at, from)
    } else if (what === TORN) result.torn++
    else if (what === STRANGER) result.strangers++
    else {
      const ahead = newest === undefined ? 1 : steps(newest, what)
      if (ahead < 0) result.back++
      if (ahead > 0) {
        if (at > from) {
          held(at)
          begun = at
        }
        result.pictures++
        newest = what
      }
    }
  })
  held(to)
  return result
}

/** median, 95th percentile and largest of a list of numbers. */
export function distribution(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = p => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]
  return { n: sorted.length, median: at(0.5), p95: at(0.95), max: sorted.at(-1) }
}
