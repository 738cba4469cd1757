/** What stands in for a person's picture: initials and a colour that is always theirs. Pure. */

/** Up to two letters: of the first and the last word. Names may be in any script, or empty. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean)
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words
  return (
    letters
      .map((word) => firstLetter(word ?? ''))
      .join('')
      .toLocaleUpperCase() || '?'
  )
}

/** A hue from 0 to 359 that stays the same for the same text. */
export function hue(text: string): number {
  let hash = 7
  for (const char of text) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0
  return hash % 360
}

/** Names are as people typed them, so they may be empty. */
export const displayName = (name: string): string => name.trim() || 'Guest'

/** “Ann”, “Ann and Ben”, “Ann, Ben and 3 others”. */
export function listOf(names: string[]): string {
  if (names.length <= 2) return names.join(' and ')
  const rest = names.length - 2
  return `${names[0]}, ${names[1]} and ${rest} ${rest === 1 ? 'other' : 'others'}`
}

function firstLetter(word: string): string {
  const letters = new Intl.Segmenter().segment(word)[Symbol.iterator]().next()
  return letters.done === true ? '' : letters.value.segment
}
