// Packets are lost on the way to and from the server, and nobody sees it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call, until } from '../lab/call.mjs'
import { makeNamespace } from '../lab/namespace.mjs'
import { inspect } from '../lab/seen.mjs'

/** The longest that a picture may stand still with one packet in twenty lost each way, ms: a repair takes a round trip or two,
 * and seeing the gap takes the next packet. */
const HOLD = 1000
const LOSS_PERCENT = 5
/** Metrics are for the server's own machine; in its namespace every port is free. */
const METRICS = '127.0.0.1:9100'

/** Two people who see each other through a server behind a link that can lose packets. */
async function callThrough(t, { tone = false } = {}) {
  const space = makeNamespace()
  t.after(() => space.remove())
  const listen = { 'http.listen': `["${space.there}:0","${METRICS}"]`, 'sfu.listen': `${space.there}:0` }
  const set = { ...listen, 'room.mesh_limit': 1, 'turn.enabled': false }
  const call = await Call.start({ set, within: space.within })
  t.after(() => call.stop())
  const people = await call.people(2, { tone, listen: tone })
  await call.everybodySees(people)
  const metrics = async () => {
    const text = await space.fetch(`http://${METRICS}/metrics`)
    return name => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
  }
  return { space, people, metrics }
}

test('lost packets are repaired', async t => {
  const { space, people, metrics } = await callThrough(t)
  space.lose(LOSS_PERCENT)
  const since = Date.now() + 1000
  await sleep(9000)
  for (const person of people) {
    const { tiles, now } = await person.record(since)
    for (const [name, { runs }] of Object.entries(tiles)) {
      const seen = inspect(runs, since, now)
      t.diagnostic(`${person.name} sees ${name}: ${JSON.stringify(seen)}`)
      assert.ok(seen.pictures > 90 && seen.hold < HOLD, `${person.name} sees ${name}: ${JSON.stringify(seen)}`)
    }
    const inbound = (await person.lab('inbound')).filter(({ kind }) => kind === 'video')
    assert.ok(inbound.some(({ retransmittedPacketsReceived: n }) => n > 0))
  }
  const value = await metrics()
  const repaired = value('crescendo_repaired_packets_total')
  const sent = value('crescendo_retransmitted_packets_total\\{how="rtx"\\}')
  t.diagnostic(`${repaired} repaired on the way up, ${sent} sent again on the way down`)
  assert.ok(repaired > 0 && sent > 0)
})

/** Share of sound that a browser may make up while a fifth of all packets is lost on each of two ways, 0 to 1: a tenth is the goal, and
 * the rest is what two busy cores take. Without redundant sound it is 0.29. */
const MADE_UP = 0.15
/** Of so many times, an odd number, that may be for the one in the middle: a machine that stands still makes sound up as well. */
const WINDOWS = 3

test('with a fifth of all packets lost each way, sound is whole', async t => {
  const { space, people, metrics } = await callThrough(t, { tone: true })
  space.lose(20)
  // Feedback that says of losses makes it so.
  await until('sound to be redundant', async () => (await metrics())('crescendo_redundant_packets_total') > 50)
  const heard = async person => {
    const sound = (await person.lab('inbound')).filter(({ kind }) => kind === 'audio')
    const sum = name => sound.reduce((all, stream) => all + (stream[name] ?? 0), 0)
    return { all: sum('totalSamplesReceived'), madeUp: sum('concealedSamples') - sum('silentConcealedSamples') }
  }
  const shares = people.map(() => [])
  for (let window = 0; window < WINDOWS; window++) {
    const before = await Promise.all(people.map(heard))
    await sleep(4000)
    const after = await Promise.all(people.map(heard))
    for (const [at, own] of shares.entries()) {
      const all = after[at].all - before[at].all
      assert.ok(all > 48_000 * 2, `${all} samples`)
      own.push((after[at].madeUp - before[at].madeUp) / all)
    }
  }
  for (const [at, own] of shares.entries()) {
    t.diagnostic(`${people[at].name}: made up are ${own.map(share => `${(100 * share).toFixed(1)} %`).join(', ')}`)
    const median = own.toSorted((a, b) => a - b)[(WINDOWS - 1) / 2]
    assert.ok(median < MADE_UP, `${people[at].name}: ${median}`)
  }
  const value = await metrics()
  t.diagnostic(`${value('crescendo_redundant_packets_total')} redundant on the way down`)
})
