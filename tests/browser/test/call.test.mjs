// People talk, first in a mesh, then through the server, and back.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call, toneOf, until } from '../lab/call.mjs'
import { heard, startSound } from '../lab/sound.mjs'

describe('two tabs of Chromium', () => {
  let call, sound
  before(async () => {
    sound = await startSound()
    call = await Call.start({ sound })
  })
  after(async () => {
    await call?.stop()
    await sound?.stop()
  })

  test('see and hear each other in a mesh', async () => {
    const [ann, ben] = await call.people(2, { listen: true })
    await call.everybodySees([ann, ben])
    assert.equal(await call.mode(), 'mesh')
    const [one, other, nobody] = await heard(sound, [toneOf(0), toneOf(1), toneOf(3)])
    assert.ok(one > 0.02 && other > 0.02, `levels ${one}, ${other}`)
    assert.ok(nobody < 0.005, `a tone that nobody sends at ${nobody}`)
    for (const person of [ann, ben]) {
      const { tiles } = await person.record()
      assert.deepEqual(Object.values(tiles).map(tile => tile.doubled), [0])
    }
  })

  test('go on when a socket is cut, and it resumes within the grace time', async () => {
    const [ann, ben] = call.participants
    const connections = await ann.lab('connections')
    await ann.lab('cut')
    await until('the client to say that it is back', async () =>
      (await ann.events()).some(event => event.name === 'reconnected'),
    )
    await call.everybodySees([ann, ben])
    const events = await ben.events()
    assert.ok(!events.some(event => event.name === 'participant-left'), 'the other one noticed nothing')
    assert.equal((await ann.lab('connections')).length, connections.length, 'no connection was made anew')
  })

  test('are gone from the room when they leave', async () => {
    const [ann, ben] = call.participants
    await ben.leave()
    await until('Ann to hear that Ben left', async () =>
      (await ann.events()).some(event => event.name === 'participant-left' && event.who === ben.name),
    )
    await ann.leave()
    await until('the room to be gone', async () => (await call.server.api('/rooms')).rooms.length === 0)
  })
})

describe('Chromium and Firefox', () => {
  // Firefox's audio waits for a device to play on.
  let sound
  before(async () => {
    sound = await startSound()
  })
  after(() => sound?.stop())

  for (const [mode, set] of [['mesh', {}], ['sfu', { 'room.mesh_limit': 1 }]]) {
    test(`talk to each other in mode ${mode}`, async t => {
      const call = await Call.start({ set, sound })
      t.after(() => call.stop())
      const people = [await call.participant(), await call.participant({ browser: 'firefox' })]
      for (const person of people) await person.join()
      await call.reaches(mode)
      await call.everybodySees(people)
    })
  }
})

for (const [key, code] of [['room.kbps', 'room-full'], ['limits.kbps', 'server-full']]) {
  test(`nobody else comes in while as much media goes over it as ${key} lets`, async t => {
    const call = await Call.start({ set: { 'room.mesh_limit': 1, [key]: 20 } })
    t.after(() => call.stop())
    const people = await call.people(2)
    await call.reaches('sfu')
    await call.everybodySees(people)
    await until('what goes over the server to be measured', async () => {
      const [, kbps] = /^crescendo_media_kbps (\d+)/m.exec(await call.server.metrics()) ?? []
      return Number(kbps) > 20
    })
    const third = await call.participant()
    await assert.rejects(third.join(), error => error.message.includes(code))
    assert.match(await call.server.metrics(), new RegExp(`crescendo_refused_total\\{limit="${key}"\\} 1`))
    await call.everybodySees(people)
  })
}

// Reports of links are sent more often than this, and none is answered.
test('a call in which nobody does anything keeps its sockets', async t => {
  const heartbeat = 2100
  const call = await Call.start({ set: { 'signal.heartbeat_ms': heartbeat } })
  t.after(() => call.stop())
  const people = await call.people(2)
  await call.everybodySees(people)
  const over = Date.now() + 4 * heartbeat
  await until('silence to be taken for a loss', () => Date.now() > over)
  for (const person of people) {
    const lost = (await person.events()).filter(({ name }) => name === 'reconnecting')
    assert.deepEqual(lost, [], `${person.name} keeps its socket`)
  }
})

test('a fifth moves the call to the server, and leaving brings it back', async t => {
  const call = await Call.start({ set: { 'room.demote_after_ms': 1500 } })
  t.after(() => call.stop())
  const four = await call.people(4)
  await call.everybodySees(four)
  assert.equal(await call.mode(), 'mesh')
  const fifth = await call.participant()
  await fifth.join()
  await call.reaches('sfu')
  await call.everybodySees([...four, fifth])
  await fifth.leave()
  await call.reaches('mesh')
  await call.everybodySees(four)
  for (const person of four) {
    const { tiles } = await person.record()
    for (const [name, { paths }] of Object.entries(tiles)) {
      const carriers = paths.map(([, carrier]) => carrier).filter(Boolean)
      assert.deepEqual(carriers, ['mesh', 'sfu', 'mesh'], `${person.name} sees ${name} over`)
    }
  }
})
