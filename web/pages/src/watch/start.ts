/** `?start=`: where to begin. */

/** A moment; or seconds, from the beginning of what there is, from its end if negative. */
export type Start = { date: Date } | { seconds: number }

/** What the page's query asks for; nothing where it does not, or not so that it makes sense. */
export function startFrom(search: string): Start | undefined {
  const text = new URLSearchParams(search).get('start')?.trim()
  if (text === undefined || text === '') return undefined
  if (/^[+-]?\d+(\.\d+)?$/u.test(text)) return { seconds: Number(text) }
  // A `+` of a time zone arrives as a space.
  const date = /^\d{4}-\d\d-\d\dT/u.test(text) ? new Date(text.replace(' ', '+')) : undefined
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : { date }
}

/** That place in seconds of the video's time, kept within what can be played; `dateAt` says when a time was captured. */
export function placeOf(
  start: Start,
  range: { start: number; end: number },
  dateAt: (time: number) => Date | undefined,
): number | undefined {
  const within = (time: number) => Math.min(range.end, Math.max(range.start, time))
  if ('seconds' in start)
    return within(start.seconds < 0 ? range.end + start.seconds : range.start + start.seconds)
  const first = dateAt(range.start)
  return first === undefined
    ? undefined
    : within(range.start + (start.date.getTime() - first.getTime()) / 1000)
}

/** The query that leads to a moment. */
export const startQuery = (date: Date): string => `?start=${date.toISOString()}`
