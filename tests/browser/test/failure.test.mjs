// The way to the server fails: for all, for one, in the middle of a call. It is never worse than before.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call, until } from '../lab/call.mjs'
import { makeNamespace } from '../lab/namespace.mjs'
import { inspect } from '../lab/seen.mjs'

const quick = { 'room.mesh_limit': 2, 'room.warm_at': 2, 'room.switch_deadline_ms': 4000, 'room.demote_after_ms': 1500 }

/** A call whose server's media port can be dropped; both go with the test. */
async function callInNamespace(t, set = {}) {
  const namespace = makeNamespace()
  t.after(() => namespace.remove())
  const listen = { 'http.listen': `${namespace.there}:0`, 'sfu.listen': `${namespace.there}:0` }
  const call = await Call.start({ set: { ...quick, ...listen, ...set }, within: namespace.within })
  t.after(() => call.stop())
  const port = Number(call.server.bound.media[0].split(':').at(-1))
  return { call, block: () => namespace.drop(port), unblock: () => namespace.pass() }
}

/** A newcomer who cannot reach the server is told so, and those who were talking see nothing of it. */
async function refused(call, newcomer, people) {
  const before = await Promise.all(people.map(person => person.lab('connections')))
  const since = Date.now()
  await newcomer.join()
  const error = await until('the newcomer to be refused', async () =>
    (await newcomer.events()).find(({ code }) => code === 'sfu-unreachable'),
  )
  assert.ok(error.fatal)
  assert.match(error.message, /firewall/, 'it says what to do')
  assert.equal((await newcomer.events()).at(-1).name, 'closed')
  await sleep(2000)
  for (const [index, person] of people.entries()) {
    assert.equal(await person.mode(), 'mesh')
    const { tiles, now } = await person.record(since)
    for (const { name } of people.filter(other => other !== person)) {
      const seen = inspect(tiles[name].runs, since, now)
      assert.equal(seen.blanks, 0)
      assert.ok(seen.hold < 2000, `${person.name} saw ${name} stand still for ${seen.hold} ms`)
    }
    const changed = (await person.lab('connections'))
      .slice(0, before[index].length)
      .filter(({ state }, i) => before[index][i].state === 'connected' && state !== 'connected')
    assert.deepEqual(changed, [], 'no connection that was up went away')
  }
}

describe('the media port cannot be reached', () => {
  test('because a wrong address is announced: the mesh goes on, the newcomer is told', async t => {
    // Nobody listens at that loopback address.
    const call = await Call.start({
      set: { ...quick, 'sfu.listen': '127.0.0.1:0', 'sfu.announce': '["127.0.0.77"]' },
    })
    t.after(() => call.stop())
    const people = await call.people(2)
    await call.everybodySees(people)
    await refused(call, await call.participant(), people)
  })

  test('because a firewall drops it: the mesh goes on, the newcomer is told, and may come in once it is open', async t => {
    const { call, block, unblock } = await callInNamespace(t)
    block()
    const people = await call.people(2)
    await call.everybodySees(people)
    const newcomer = await call.participant()
    await refused(call, newcomer, people)
    unblock()
    await newcomer.join()
    await call.everybodySees([...people, newcomer])
  })
})

describe('the media port dies while the call runs through it', () => {
  test('a room that is small enough goes back to mesh', async t => {
    const { call, block } = await callInNamespace(t, { 'sfu.consent_ms': 5000, 'room.demote_after_ms': 600_000 })
    const people = await call.people(3)
    await call.everybodySees(people)
    const left = people.pop()
    await left.leave()
    for (const person of people) assert.equal(await person.mode(), 'sfu')
    block()
    for (const person of people) await until('mode mesh', async () => (await person.mode()) === 'mesh')
    await call.everybodySees(people)
  })

  for (const [who, set] of [
    ['by its browsers', {}],
    ['by the server, which is quicker', { 'sfu.consent_ms': 6000 }],
  ]) {
    test(`a larger room is told ${who}, and goes on when it is back`, async t => {
      const { call, block, unblock } = await callInNamespace(t, set)
      const people = await call.people(3)
      await call.everybodySees(people)
      for (const person of people) await until('mode sfu', async () => (await person.mode()) === 'sfu')
      const before = await Promise.all(people.map(async person => (await person.lab('connections')).length))
      block()
      const losses = async person => (await person.events()).filter(({ code }) => code === 'sfu-lost').length
      for (const [index, person] of people.entries()) {
        await until(`${person.name} to say so`, () => losses(person))
        await until('another attempt', async () => (await person.lab('connections')).length > before[index])
      }
      unblock()
      await call.everybodySees(people, 60_000)
      for (const person of people) assert.equal(await losses(person), 1, 'once, not for each transport or attempt')
    })
  }
})
