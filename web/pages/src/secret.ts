/** The secret of an encrypted room stands behind the # of its link: browsers send that part to nobody. */

const NAME = 'key'
const BYTES = 16

/** A new one, as the part of a link that begins with #. */
export function newSecretHash(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES))
  const encoded = btoa(String.fromCharCode(...bytes))
  return `#${NAME}=${encoded.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`
}

/** The secret in a link; `undefined` when there is none, `null` when it is cut off. */
export function secretOf(hash: string): Uint8Array<ArrayBuffer> | null | undefined {
  const encoded = new URLSearchParams(hash.slice(1)).get(NAME)
  if (encoded === null) return undefined
  if (!/^[A-Za-z0-9_-]{22}$/.test(encoded)) return null
  const text = atob(encoded.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}
