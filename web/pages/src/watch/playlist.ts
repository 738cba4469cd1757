/** What a playlist's address has to offer. */

export type Found = 'live' | 'ended' | 'nothing' | 'refused' | 'unreachable'

/** Looks at the playlist, and behind a multivariant one at its first rendition. */
export async function look(url: string, load: typeof fetch = fetch): Promise<Found> {
  try {
    const first = await load(url, { cache: 'no-store' })
    if (first.status === 401 || first.status === 403) return 'refused'
    if (!first.ok) return 'nothing'
    const text = await first.text()
    const rendition = firstRendition(text)
    if (rendition === undefined) return hasEnded(text) ? 'ended' : 'live'
    const second = await load(new URL(rendition, first.url || url), { cache: 'no-store' })
    if (!second.ok) return 'nothing'
    return hasEnded(await second.text()) ? 'ended' : 'live'
  } catch {
    return 'unreachable'
  }
}

/** The address after the first `EXT-X-STREAM-INF`; nothing in a media playlist. RFC 8216, section 4.3.4.2. */
export function firstRendition(text: string): string | undefined {
  const lines = text.split(/\r?\n/u)
  const tag = lines.findIndex((line) => line.startsWith('#EXT-X-STREAM-INF:'))
  if (tag < 0) return undefined
  return lines.slice(tag + 1).find((line) => line !== '' && !line.startsWith('#'))
}

/** Nothing will be added to it. RFC 8216, section 4.3.3.4. */
export function hasEnded(text: string): boolean {
  return /^#EXT-X-ENDLIST\s*$/mu.test(text)
}
