/** Connection quality in words and bars. Pure. */

export type Sample = {
  /** Milliseconds there and back. */
  rttMs?: number
  /** Packets that were lost lately, 0 to 100. */
  lossPercent?: number
  /** Longest time between two pictures lately, in milliseconds. */
  longestGapMs?: number
}

export type Quality = { bars: 1 | 2 | 3; words: string }

/** One bar from here on: speech suffers. Two bars from the lower ones on: pictures do. */
const POOR = { rttMs: 450, lossPercent: 8, longestGapMs: 1500 }
const FAIR = { rttMs: 220, lossPercent: 2, longestGapMs: 500 }

/** How good a connection is; nothing while nothing has been measured. */
export function qualityOf(sample: Sample): Quality | undefined {
  const { rttMs, lossPercent, longestGapMs } = sample
  if (rttMs === undefined && lossPercent === undefined && longestGapMs === undefined) return undefined
  const over = (limit: typeof POOR) =>
    (rttMs ?? 0) >= limit.rttMs ||
    (lossPercent ?? 0) >= limit.lossPercent ||
    (longestGapMs ?? 0) >= limit.longestGapMs
  const [bars, word]: [Quality['bars'], string] = over(POOR)
    ? [1, 'Poor']
    : over(FAIR)
      ? [2, 'Fair']
      : [3, 'Good']
  const figures = [
    rttMs === undefined ? undefined : `${Math.round(rttMs)} ms round trip`,
    lossPercent === undefined
      ? undefined
      : `${lossPercent.toFixed(lossPercent > 0 && lossPercent < 1 ? 1 : 0)} % lost`,
  ].filter((figure) => figure !== undefined)
  return { bars, words: `${word} connection${figures.length > 0 ? ` (${figures.join(', ')})` : ''}` }
}

/** The quality of a participant is that of the worst of its tracks. */
export function worst(qualities: (Quality | undefined)[]): Quality | undefined {
  return qualities.reduce(
    (low, next) => (next !== undefined && (low === undefined || next.bars < low.bars) ? next : low),
    undefined,
  )
}
