import { describe, expect, it, vi } from 'vitest'
import { KeyExchange, type KeyMessage } from '../src/key-exchange.js'
import { Keyring } from '../src/keyring.js'
import { clearBytes, Opener, Sealer } from '../src/sealed-frame.js'
import { Secret } from '../src/secret.js'
import { derive, open, readHeader, seal, writeHeader, type Bytes } from '../src/sframe.js'
import type { Platform } from '../src/platform.js'

const bytes = (hex: string): Bytes => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))
const hex = (data: Bytes) => [...data].map((byte) => byte.toString(16).padStart(2, '0')).join('')

describe('SFrame', () => {
  // RFC 9605, appendix C.1, one of each shape.
  it.each([
    [0n, 0n, '00'],
    [1n, 1n, '11'],
    [7n, 7n, '77'],
    [0n, 0xffn, '08ff'],
    [1n, 0x100n, '190100'],
    [0xffn, 1n, '81ff'],
    [0xffffn, 0x100n, '99ffff0100'],
    [0x1000000n, 0xffn, 'b801000000ff'],
    [0xffn, 0xffffffffffffffffn, '8fffffffffffffffffff'],
    [0xffffffffn, 0xffffffffffffffffn, 'bfffffffffffffffffffffffff'],
  ])('writes and reads the header of key %i and counter %i', (kid, counter, encoded) => {
    expect(hex(writeHeader(kid, counter))).toBe(encoded)
    expect(readHeader(bytes(encoded))).toEqual({ kid, counter, length: encoded.length / 2 })
    expect(readHeader(bytes(encoded).subarray(0, -1))).toBe(undefined)
  })

  it('seals and opens what RFC 9605 does, appendix C.3', async () => {
    const key = await derive(bytes('000102030405060708090a0b0c0d0e0f'), 0x0123n)
    expect(hex(key.salt)).toBe('75234edefe07819026751816')
    const metadata = bytes('4945544620534672616d65205747')
    const plain = bytes('64726166742d696574662d736672616d652d656e63')
    const sealed = await seal(key, 0x0123n, 0x4567n, metadata, plain)
    expect(hex(sealed)).toBe(
      '9901234567b7412c2513a1b66dbb48841bbaf17f598751176ad847681a69c6d0b091c07018ce4adb34eb',
    )
    const header = readHeader(sealed)
    expect(header).toBeDefined()
    expect(hex(await open(key, header!, metadata, sealed))).toBe(hex(plain))
    await expect(open(key, header!, bytes('00'), sealed)).rejects.toThrow()
  })
})

describe('a sealed frame', () => {
  const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const frame = Uint8Array.from({ length: 40 }, (_, i) => i)
  const ring = (...bases: Bytes[]) => {
    const made = new Keyring()
    made.set(bases)
    return made
  }

  it('keeps what packetisers need: of a VP8 key frame 10 bytes, of another 3, of Opus 1', () => {
    expect(clearBytes('video', Uint8Array.of(0x10, ...frame))).toBe(10)
    expect(clearBytes('video', Uint8Array.of(0x11, ...frame))).toBe(3)
    expect(clearBytes('audio', frame)).toBe(1)
    expect(clearBytes('video', Uint8Array.of(0x10))).toBe(1)
    expect(clearBytes('audio', new Uint8Array())).toBe(0)
  })

  it('is opened by who has its key, whichever of several it is', async () => {
    const sealed = await new Sealer().seal(one, 'video', frame)
    expect(hex(sealed!.subarray(0, 10))).toBe(hex(frame.subarray(0, 10)))
    expect(hex(sealed!)).not.toContain(hex(frame.subarray(10)))
    expect(await new Opener(ring(other, one)).open('video', sealed!)).toEqual(frame)
  })

  it('is opened once by each receiver, and not when it is long past', async () => {
    const sealer = new Sealer()
    const sealed: Bytes[] = []
    for (let n = 0; n < 1200; n += 1) sealed.push((await sealer.seal(one, 'audio', frame))!)
    const [mine, another] = [new Opener(ring(one)), new Opener(ring(one))]
    const comes = async (to: Opener, n: number) => (await to.open('audio', sealed[n]!)) !== undefined
    expect([await comes(mine, 5), await comes(mine, 5), await comes(another, 5)]).toEqual([true, false, true])
    expect([await comes(mine, 3), await comes(mine, 3)], 'late, and again').toEqual([true, false])
    expect([await comes(mine, 1100), await comes(mine, 4), await comes(mine, 1000)]).toEqual([
      true,
      false,
      true,
    ])
    const forged = sealed[1199]!.slice()
    forged[forged.length - 1]! ^= 1
    expect(await mine.open('audio', forged)).toBe(undefined)
    expect(await comes(mine, 1199), 'what did not open has not come').toBe(true)
  })

  it('is nothing to who has not, until the key is there', async () => {
    const sealer = new Sealer()
    const keys = ring(other)
    expect(await new Opener(keys).open('audio', (await sealer.seal(one, 'audio', frame))!)).toBe(undefined)
    keys.set([other, one])
    expect(await new Opener(keys).open('audio', (await sealer.seal(one, 'audio', frame))!)).toEqual(frame)
    keys.set([other])
    expect(await new Opener(keys).open('audio', (await sealer.seal(one, 'audio', frame))!)).toBe(undefined)
  })

  it('is nothing when a single bit differs, in the clear part too', async () => {
    const sealed = (await new Sealer().seal(one, 'video', frame))!
    for (let at = 0; at < sealed.length; at++) {
      const bent = sealed.slice()
      bent[at]! ^= 0x20
      expect(await new Opener(ring(one)).open('video', bent), `byte ${at}`).toBe(undefined)
    }
    for (let length = 0; length < sealed.length; length++)
      expect(await new Opener(ring(one)).open('video', sealed.slice(0, length))).toBe(undefined)
  })

  it('never has the number of another: each sender draws its own, and another with each key', async () => {
    const sealers = Array.from({ length: 20 }, () => new Sealer())
    const kids = new Set<bigint>()
    for (const base of [one, other])
      for (const sealer of sealers)
        kids.add(readHeader((await sealer.seal(base, 'audio', frame))!.subarray(1))!.kid)
    expect(kids.size).toBe(40)
  })

  it('does not leave without a key', async () => {
    expect(await new Sealer().seal(undefined, 'audio', frame)).toBe(undefined)
  })
})

/** Participants whose messages arrive when the test says so. */
class Exchange {
  readonly ends = new Map<string, { exchange: KeyExchange; own: Bytes; others: Bytes[] }>()
  readonly mail: { from: string; to: string; message: KeyMessage }[] = []
  turn: () => void = () => {}

  async join(id: string, secret = 'a secret') {
    const others = [...this.ends.keys()]
    const end = { own: new Uint8Array(), others: [] as Bytes[] } as never as {
      exchange: KeyExchange
      own: Bytes
      others: Bytes[]
    }
    const platform = {
      after: (_: number, f: () => void) => ((this.turn = chain(this.turn, f)), () => {}),
    } as never as Platform
    end.exchange = new KeyExchange(await Secret.of(secret, 'demo'), id, {
      platform,
      send: (to, message) => void this.mail.push({ from: id, to, message }),
      changed: (own, theirs) => void Object.assign(end, { own, others: theirs }),
    })
    for (const other of others) this.ends.get(other)!.exchange.joined(id, false)
    this.ends.set(id, end)
    for (const other of others) end.exchange.joined(other, true)
    await this.deliver()
  }

  async leave(id: string) {
    this.ends.delete(id)
    for (const { exchange } of this.ends.values()) exchange.left(id)
    await this.deliver()
  }

  /** Until nobody has anything more to say. */
  async deliver() {
    for (let calm = 0; calm < 5; calm++) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      for (const { from, to, message } of this.mail.splice(0)) {
        calm = 0
        this.ends.get(to)?.exchange.heard(from, message)
      }
    }
  }

  /** Everybody opens what everybody else seals. */
  understood() {
    const all = [...this.ends.values()]
    return all.every((a) => all.every((b) => a === b || a.others.some((key) => hex(key) === hex(b.own))))
  }
}

const chain = (first: () => void, then: () => void) => () => (first(), then())

describe('sender keys', () => {
  it('reach everybody, and differ', async () => {
    const room = new Exchange()
    for (const id of ['p1', 'p2', 'p3']) await room.join(id)
    expect(room.understood()).toBe(true)
    expect(new Set([...room.ends.values()].map(({ own }) => hex(own))).size).toBe(3)
  })

  it('change when somebody leaves, who learns none of the new ones', async () => {
    const room = new Exchange()
    for (const id of ['p1', 'p2', 'p3']) await room.join(id)
    const gone = room.ends.get('p3')!
    const before = hex(room.ends.get('p1')!.own)
    const wire: string[] = []
    const push = room.mail.push.bind(room.mail)
    room.mail.push = (...mail) => (wire.push(JSON.stringify(mail)), push(...mail))
    await room.leave('p3')
    expect(hex(room.ends.get('p1')!.own), 'not before everybody can have it').toBe(before)
    expect(room.understood()).toBe(true)
    room.turn()
    expect(hex(room.ends.get('p1')!.own)).not.toBe(before)
    expect(room.understood()).toBe(true)
    for (const { own } of room.ends.values()) {
      expect(gone.others.map(hex)).not.toContain(hex(own))
      expect(wire.join()).not.toContain(btoa(String.fromCharCode(...own)))
    }
  })

  it('stay understood when several leave at once, and none of them has the last one', async () => {
    const room = new Exchange()
    const all = ['p1', 'p2', 'p3', 'p4', 'p5']
    for (const id of all) await room.join(id)
    const gone = ['p3', 'p4', 'p5'].map((id) => room.ends.get(id)!)
    for (const id of ['p3', 'p4', 'p5']) {
      await room.leave(id)
      expect(room.understood(), `${id} has left`).toBe(true)
    }
    for (let turns = 0; turns < 2; turns++) {
      const turn = room.turn
      room.turn = () => {}
      turn()
      await room.deliver()
      expect(room.understood()).toBe(true)
    }
    for (const { own } of room.ends.values())
      for (const { others } of gone) expect(others.map(hex)).not.toContain(hex(own))
  })

  it('are kept from who says hello anew in the name of another', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const room = new Exchange()
    for (const id of ['p1', 'p2']) await room.join(id)
    const spy = new Exchange()
    await spy.join('p2')
    const sent: KeyMessage[] = []
    spy.ends.get('p2')!.exchange.joined('p1', true)
    await vi.waitFor(() => expect(spy.mail.length).toBe(1))
    room.ends.get('p1')!.exchange.heard('p2', spy.mail[0]!.message)
    const push = room.mail.push.bind(room.mail)
    room.mail.push = (...mail) => (sent.push(...mail.map(({ message }) => message)), push(...mail))
    await room.deliver()
    expect(sent).toEqual([])
    expect(warn).toHaveBeenCalled()
    warn.mockRestore()
  })

  it('are not given to who does not know the secret', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const room = new Exchange()
    await room.join('p1')
    await room.join('eve', 'another secret')
    expect(room.ends.get('eve')!.others).toEqual([])
    expect(room.ends.get('p1')!.others).toEqual([])
    expect(warn).toHaveBeenCalled()
    warn.mockRestore()
  })

  it('survive nonsense', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const room = new Exchange()
    await room.join('p1')
    await room.join('p2')
    const { exchange } = room.ends.get('p1')!
    for (const message of [
      { kind: 'key', number: 9, iv: '', sealed: 'AAAA' },
      { kind: 'hello', key: 'AAAA', proof: 'AAAA', answer: true },
      { kind: 'hello', key: '%', proof: '', answer: true },
      { kind: 'key' },
      {},
    ])
      exchange.heard('p2', message as never)
    await room.deliver()
    expect(room.understood()).toBe(true)
    warn.mockRestore()
  })
})
