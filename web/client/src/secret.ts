import { RoomError } from './error.js'
import type { Bytes } from './sframe.js'

/** What a key is for, so that no two uses share one. */
export type Purpose = 'frames' | 'proof' | `pair ${string}`

/** Rounds for a secret that people chose; OWASP's figure for PBKDF2 with SHA-256. */
const ROUNDS = 600_000
/** The least that is taken for random. */
const BYTES = 16

const text = new TextEncoder()

/** What the participants of a room have in common and the server does not know. */
export class Secret {
  private constructor(
    private readonly material: CryptoKey,
    private readonly salt: Bytes,
  ) {}

  /** A string may be a password: it is stretched. Bytes are taken for random ones, 16 at least. */
  static async of(secret: string | Bytes, room: string): Promise<Secret> {
    if (typeof secret === 'string' ? secret === '' : secret.length < BYTES)
      throw new RoomError('bad-secret', `the secret is empty, or has fewer than ${BYTES} bytes`)
    const salt = text.encode(`crescendo ${room}`)
    const raw = typeof secret === 'string' ? await stretch(secret, salt) : secret
    return new Secret(await crypto.subtle.importKey('raw', raw, 'HKDF', false, ['deriveBits']), salt)
  }

  /** 32 bytes. */
  async derive(purpose: Purpose): Promise<Bytes> {
    const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: this.salt, info: text.encode(purpose) }
    return new Uint8Array(await crypto.subtle.deriveBits(algorithm, this.material, 256))
  }
}

async function stretch(secret: string, salt: Bytes): Promise<Bytes> {
  const material = await crypto.subtle.importKey('raw', text.encode(secret), 'PBKDF2', false, ['deriveBits'])
  const algorithm = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ROUNDS }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, material, 256))
}
