import { fromBase64, toBase64 } from './base64.js'
import type { Cancel, Platform } from './platform.js'
import type { Secret } from './secret.js'
import { concat, type Bytes } from './sframe.js'

/** What participants tell each other about keys. The server passes it on and cannot read the keys in it. */
export type KeyMessage =
  /** Our public key of this session, ECDH on P-256, with a proof that we know the room's secret. */
  | { kind: 'hello'; key: string; proof: string; answer: boolean }
  /** The key that our frames are sealed with, for one participant. */
  | { kind: 'key'; number: number; iv: string; sealed: string }

export interface ExchangeHost {
  readonly platform: Platform
  send(to: string, message: KeyMessage): void
  /** `own` seals our frames from now on, `others` may have sealed theirs. */
  changed(own: Bytes, others: Bytes[]): void
}

/** A new key is out for this long, ms, before it seals: whoever has it later sees a picture stand still. */
const SPREAD_MS = 1000
/** Keys of one participant that may still be under way. */
const KEYS_MAX = 3
const KEY_BYTES = 32
const CURVE = { name: 'ECDH', namedCurve: 'P-256' }

const text = new TextEncoder()

/** What is known of another participant. */
interface Peer {
  /** Wraps what the two tell each other. */
  pair: CryptoKey | undefined
  /** Its public key, encoded: the first one holds until it leaves. */
  key: string | undefined
  keys: Bytes[]
  /** Of the last key. */
  number: number
  /** Messages are taken one after the other. */
  queue: Promise<void>
}

/**
 * Each participant seals with a key of its own and gives it to each other one alone, wrapped by a key that the two agree on.
 * When somebody leaves, everybody takes a new one: who left opens nothing that comes after.
 */
export class KeyExchange {
  readonly #peers = new Map<string, Peer>()
  readonly #ours = crypto.subtle.generateKey(CURVE, false, ['deriveBits']) as Promise<CryptoKeyPair>
  #own = random(KEY_BYTES)
  /** The next one, while it is being given out. */
  #next: Bytes | undefined
  #number = 1
  /** Somebody left while the next one was being given out, and has it. */
  #again = false
  #turning: Cancel = () => {}

  constructor(
    private readonly secret: Secret,
    private readonly me: string,
    private readonly host: ExchangeHost,
  ) {
    this.#tell()
  }

  /** Somebody is here. `first`: we came later, and say hello. */
  joined(id: string, first: boolean): void {
    const peer = this.#peer(id)
    if (first) this.#after(peer, () => this.#hello(id, true))
  }

  left(id: string): void {
    const gone = this.#peers.get(id)
    this.#peers.delete(id)
    // Who never proved that it knows the secret has no key of ours.
    if (gone?.pair) this.rotate()
  }

  /** A new key of ours for everybody who is here. One at a time: that which seals must not be pushed out by those that follow. */
  rotate(): void {
    if (this.#next) {
      this.#again = true
      return
    }
    this.#next = random(KEY_BYTES)
    this.#number++
    for (const [id, peer] of this.#peers) this.#after(peer, () => this.#give(id, peer))
    this.#turning = this.host.platform.after(SPREAD_MS, () => this.#turn())
  }

  #turn(): void {
    this.#own = this.#next ?? this.#own
    this.#next = undefined
    this.#tell()
    if (!this.#again) return
    this.#again = false
    this.rotate()
  }

  heard(from: string, message: KeyMessage): void {
    const peer = this.#peer(from)
    this.#after(peer, () =>
      message.kind === 'hello' ? this.#met(from, peer, message) : this.#got(from, peer, message),
    )
  }

  close(): void {
    this.#turning()
    this.#peers.clear()
  }

  #peer(id: string): Peer {
    const known = this.#peers.get(id)
    if (known) return known
    const peer: Peer = { pair: undefined, key: undefined, keys: [], number: 0, queue: Promise.resolve() }
    this.#peers.set(id, peer)
    return peer
  }

  #after(peer: Peer, work: () => Promise<void>): void {
    peer.queue = peer.queue
      .then(work)
      .catch((error: unknown) => console.warn('crescendo: a key did not fit', error))
  }

  async #hello(id: string, answer: boolean): Promise<void> {
    const key = await this.#public()
    const proof = await this.#prove(key, this.me, id)
    this.host.send(id, { kind: 'hello', key: toBase64(key), proof: toBase64(proof), answer })
  }

  async #met(id: string, peer: Peer, hello: Extract<KeyMessage, { kind: 'hello' }>): Promise<void> {
    if (peer.key !== undefined && peer.key !== hello.key) throw new Error(`${id} has another key already`)
    const key = fromBase64(hello.key)
    const valid = await crypto.subtle.verify(
      'HMAC',
      await this.#proof(),
      fromBase64(hello.proof),
      about(key, id, this.me),
    )
    if (!valid) throw new Error(`${id} does not know the secret`)
    const theirs = await crypto.subtle.importKey('raw', key, CURVE, false, [])
    const { privateKey } = await this.#ours
    const shared = new Uint8Array(
      await crypto.subtle.deriveBits({ name: 'ECDH', public: theirs }, privateKey, 256),
    )
    const both = [this.me, id].sort().join(' ')
    const material = await crypto.subtle.importKey('raw', shared, 'HKDF', false, ['deriveKey'])
    peer.pair = await crypto.subtle.deriveKey(
      {
        name: 'HKDF',
        hash: 'SHA-256',
        salt: await this.secret.derive(`pair ${both}`),
        info: text.encode('wrap'),
      },
      material,
      { name: 'AES-GCM', length: 256 },
      false,
      ['encrypt', 'decrypt'],
    )
    peer.key = hello.key
    if (hello.answer) await this.#hello(id, false)
    await this.#give(id, peer)
  }

  async #give(id: string, peer: Peer): Promise<void> {
    if (!peer.pair || this.#peers.get(id) !== peer) return
    const [iv, number] = [random(12), this.#number]
    const algorithm = { name: 'AES-GCM', iv, additionalData: text.encode(`${this.me} ${number}`) }
    const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm, peer.pair, this.#next ?? this.#own))
    if (this.#peers.get(id) !== peer) return
    this.host.send(id, { kind: 'key', number, iv: toBase64(iv), sealed: toBase64(sealed) })
  }

  async #got(
    id: string,
    peer: Peer,
    { number, iv, sealed }: Extract<KeyMessage, { kind: 'key' }>,
  ): Promise<void> {
    if (!peer.pair || number < peer.number) return
    const algorithm = { name: 'AES-GCM', iv: fromBase64(iv), additionalData: text.encode(`${id} ${number}`) }
    const key = new Uint8Array(await crypto.subtle.decrypt(algorithm, peer.pair, fromBase64(sealed)))
    if (this.#peers.get(id) !== peer) return
    peer.number = number
    peer.keys = [key, ...peer.keys].slice(0, KEYS_MAX)
    this.#tell()
  }

  #tell(): void {
    this.host.changed(
      this.#own,
      [...this.#peers.values()].flatMap((peer) => peer.keys),
    )
  }

  async #public(): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.exportKey('raw', (await this.#ours).publicKey))
  }

  async #proof(): Promise<CryptoKey> {
    const algorithm = { name: 'HMAC', hash: 'SHA-256' }
    return crypto.subtle.importKey('raw', await this.secret.derive('proof'), algorithm, false, [
      'sign',
      'verify',
    ])
  }

  async #prove(key: Bytes, from: string, to: string): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.sign('HMAC', await this.#proof(), about(key, from, to)))
  }
}

/** What a proof is about: this key is of `from`, for `to`. */
const about = (key: Bytes, from: string, to: string) => concat(text.encode(`${from} ${to} `), key)

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes))
