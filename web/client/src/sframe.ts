/**
 * SFrame (RFC 9605) with the suite AES_128_GCM_SHA256_128: a media frame sealed by its sender and opened by whoever has the
 * key. What it looks like: header (key id KID, counter CTR), ciphertext, tag.
 */

export type Bytes = Uint8Array<ArrayBuffer>

/** What frames of one KID are sealed with. Never two senders with one: a counter used twice gives the key away. */
export interface FrameKey {
  readonly key: CryptoKey
  readonly salt: Bytes
}

/** AES_128_GCM_SHA256_128 (RFC 9605, section 8.1). */
const SUITE = 4
const KEY_BYTES = 16
const NONCE_BYTES = 12

const text = new TextEncoder()

/** The key of `kid` (RFC 9605, section 4.4.2). `base` is any secret of 16 bytes or more. */
export async function derive(base: Bytes, kid: bigint): Promise<FrameKey> {
  const material = await crypto.subtle.importKey('raw', base, 'HKDF', false, ['deriveBits'])
  const suffix = new DataView(new ArrayBuffer(10))
  suffix.setBigUint64(0, kid)
  suffix.setUint16(8, SUITE)
  const bits = async (label: string, bytes: number) => {
    const info = concat(text.encode(label), new Uint8Array(suffix.buffer))
    const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info }
    return new Uint8Array(await crypto.subtle.deriveBits(algorithm, material, bytes * 8))
  }
  const raw = await bits('SFrame 1.0 Secret key ', KEY_BYTES)
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
  return { key, salt: await bits('SFrame 1.0 Secret salt ', NONCE_BYTES) }
}

/** Header (RFC 9605, section 4.3), ciphertext and tag. `metadata` travels beside it in the clear and is authenticated. */
export async function seal(key: FrameKey, kid: bigint, counter: bigint, metadata: Bytes, plain: Bytes) {
  const header = writeHeader(kid, counter)
  const sealed = await crypto.subtle.encrypt(parameters(key, header, counter, metadata), key.key, plain)
  return concat(header, new Uint8Array(sealed))
}

/** The plain frame. Rejects when key, frame and metadata do not belong together. */
export async function open(key: FrameKey, header: Header, metadata: Bytes, frame: Bytes): Promise<Bytes> {
  const own = frame.subarray(0, header.length)
  const algorithm = parameters(key, own, header.counter, metadata)
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, key.key, frame.subarray(header.length)))
}

export interface Header {
  readonly kid: bigint
  readonly counter: bigint
  /** Bytes. */
  readonly length: number
}

/** `undefined` when the frame is shorter than its header says. */
export function readHeader(frame: Bytes): Header | undefined {
  const [config] = frame
  if (config === undefined) return undefined
  const [kidBytes, counterBytes] = [size(config >> 4), size(config & 15)]
  const length = 1 + kidBytes + counterBytes
  if (frame.length < length) return undefined
  return {
    kid: kidBytes ? number(frame.subarray(1, 1 + kidBytes)) : BigInt((config >> 4) & 7),
    counter: counterBytes ? number(frame.subarray(1 + kidBytes, length)) : BigInt(config & 7),
    length,
  }
}

export function writeHeader(kid: bigint, counter: bigint): Bytes {
  const [kidBits, kidBytes] = field(kid)
  const [counterBits, counterBytes] = field(counter)
  return concat(Uint8Array.of((kidBits << 4) | counterBits), kidBytes, counterBytes)
}

export function concat(...parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export const equal = (one: Bytes, other: Bytes) =>
  one.length === other.length && one.every((byte, at) => byte === other[at])

/** How many bytes a field has beside its four bits. */
const size = (bits: number) => (bits & 8 ? (bits & 7) + 1 : 0)

/** The four bits of a field, and the bytes that follow. */
function field(value: bigint): [bits: number, bytes: Bytes] {
  if (value < 8n) return [Number(value), new Uint8Array()]
  const digits = value.toString(16)
  const bytes = Uint8Array.from(
    digits.padStart(digits.length + (digits.length % 2), '0').match(/../g) ?? [],
    (pair) => parseInt(pair, 16),
  )
  return [8 | (bytes.length - 1), bytes]
}

const number = (bytes: Bytes) => bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)

/** Nonce: the salt with the counter in it (RFC 9605, section 4.4.3). */
function parameters({ salt }: FrameKey, header: Bytes, counter: bigint, metadata: Bytes): AesGcmParams {
  const iv = salt.slice()
  const view = new DataView(iv.buffer)
  view.setBigUint64(NONCE_BYTES - 8, view.getBigUint64(NONCE_BYTES - 8) ^ counter)
  return { name: 'AES-GCM', iv, additionalData: concat(header, metadata), tagLength: 128 }
}
