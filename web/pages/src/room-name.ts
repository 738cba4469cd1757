/** Room names, as the server takes them: one path segment of `[A-Za-z0-9._-]`, 1 to 64 long, not `.` or `..`. */

export const MAX_ROOM_NAME = 64

/** What is wrong with a room name, in words for the person who typed it; nothing when it is fine. */
export function roomNameProblem(name: string): string | undefined {
  if (name === '') return 'Give the room a name.'
  if (name === '.' || name === '..') return 'Dots alone are not a name. Add a letter or a digit.'
  const odd = name.match(/[^A-Za-z0-9._-]/u)?.[0]
  if (odd !== undefined) {
    const what = /\s/u.test(odd) ? 'Spaces do' : `“${odd}” does`
    return `${what} not work in a room name. Use letters, digits, dots, dashes and underscores.`
  }
  if (name.length > MAX_ROOM_NAME)
    return `That is too long by ${name.length - MAX_ROOM_NAME}. At most ${MAX_ROOM_NAME} characters.`
  return undefined
}

/** The nearest name that works, for what somebody typed: `Monday stand-up!` becomes `Monday-stand-up`. */
export function tidyRoomName(typed: string): string {
  return typed
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9._-]+/gu, '-')
    .replace(/^-+|-+$/gu, '')
    .slice(0, MAX_ROOM_NAME)
}

/** The room that a page is about, from its path (`/r/{room}`, `/watch/{room}`); nothing when there is none. */
export function roomFromPath(path: string): string | undefined {
  const segment = /^\/(?:r|watch)\/([^/]+)\/?$/u.exec(path)?.[1]
  if (segment === undefined) return undefined
  try {
    const name = decodeURIComponent(segment)
    return roomNameProblem(name) === undefined ? name : undefined
  } catch {
    return undefined
  }
}

const HOW = [
  'amber',
  'brisk',
  'calm',
  'clear',
  'golden',
  'gentle',
  'bright',
  'quiet',
  'rising',
  'silver',
  'sunny',
  'velvet',
  'warm',
  'wide',
  'early',
  'lucky',
]
const WHAT = [
  'allegro',
  'anthem',
  'ballad',
  'chorus',
  'duet',
  'encore',
  'fugue',
  'harbor',
  'lantern',
  'maple',
  'meadow',
  'orchard',
  'prelude',
  'river',
  'sonata',
  'waltz',
]

/**
 * A name that can be read out on the phone, such as `gentle-sonata-482`. `random` gives numbers in [0, 1). There are
 * about a quarter of a million: enough not to meet by accident, not enough to keep anybody out.
 */
export function surprisingRoomName(random: () => number = Math.random): string {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)]
  return `${pick(HOW)}-${pick(WHAT)}-${100 + Math.floor(random() * 900)}`
}
