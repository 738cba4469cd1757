/** How many watch a broadcast. */

/** How often to ask; milliseconds. */
const EVERY_MS = 5000

/** A name for as long as the page is open, by which the server counts it once; nothing else is in it. */
export function viewerId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The number as the server says it; nothing where it does not. */
export async function viewersOf(room: string, load: typeof fetch = fetch): Promise<number | undefined> {
  try {
    const answer: unknown = await (await load(`/hls/${room}/viewers`)).json()
    const count =
      typeof answer === 'object' && answer !== null && 'viewers' in answer ? answer.viewers : undefined
    return typeof count === 'number' ? count : undefined
  } catch {
    return undefined
  }
}

/** Tells `show` the number again and again while `wanted` says so and the page is seen; gives how to stop. */
export function followViewers(
  room: () => string,
  wanted: () => boolean,
  show: (count: number | undefined) => void,
): () => void {
  const ask = async () => {
    if (wanted() && !document.hidden) show(await viewersOf(room()))
  }
  const timer = setInterval(() => void ask(), EVERY_MS)
  void ask()
  return () => clearInterval(timer)
}

/** “1 watching”, “2,345 watching”; nothing for nobody. */
export const viewersText = (count: number | undefined): string =>
  count === undefined || count === 0 ? '' : `${count.toLocaleString('en')} watching`
