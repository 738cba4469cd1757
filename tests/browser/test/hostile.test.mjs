// Somebody floods the room's socket and the media port while two people talk through the server. They notice nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Call, until } from '../lab/call.mjs'
import { hostile } from '../lab/hostile.mjs'
import { inspect } from '../lab/seen.mjs'

test('a flood of junk, from outside and from inside the room, is dropped and counted, and nobody notices', async t => {
  const call = await Call.start({ set: { 'room.mesh_limit': 1 } })
  t.after(() => call.stop())
  const people = await call.people(2)
  await call.everybodySees(people)
  await call.reaches('sfu')

  const since = Date.now()
  const port = call.server.bound.media[0].split(':').at(-1)
  const [media, socket] = await Promise.all([
    hostile('media', { to: `127.0.0.1:${port}`, 'per-second': 1000, seconds: 5 }),
    hostile('socket', { url: `${call.server.ws}/signal`, room: 'lab', connections: 4, messages: 500 }),
  ])
  const seconds = (Date.now() - since) / 1000
  t.diagnostic(`${media.packets} packets and ${socket.messages} messages in ${seconds.toFixed(1)} s`)
  assert.ok(media.packets > 1000)
  assert.equal(media.answers, 0, 'junk at the media port is not answered')
  assert.ok(socket.messages > 0)
  assert.ok(socket.errors['bad-message'] > 0, `typed errors: ${JSON.stringify(socket.errors)}`)
  assert.ok(socket.closed >= 1, 'a flood is closed in the end')

  for (const person of people) {
    const { tiles, now } = await person.record(since)
    const [other] = people.filter(one => one !== person)
    const seen = inspect(tiles[other.name].runs, since, now)
    t.diagnostic(`${person.name}: longest stand-still ${Math.round(seen.hold)} ms, blank ${seen.blanks}`)
    assert.equal(seen.blanks, 0)
    assert.ok(seen.hold < 2000)
    const errors = (await person.events()).filter(event => event.name === 'error')
    assert.deepEqual(errors, [])
  }
  const counted = await until('the flood to be counted', async () => {
    const text = await call.server.metrics()
    return /^crescendo_dropped\w*_total.* [1-9]|^crescendo_refused_total.* [1-9]/m.test(text) && text
  })
  for (const line of counted.split('\n').filter(line => /^crescendo_(dropped|refused)/.test(line))) t.diagnostic(line)

  // Those who joined to flood are gone, or away until their grace time ends; the room still takes new people.
  const third = await call.participant()
  await third.join()
  await call.everybodySees([...people, third])
})
