// Packets are lost on the way to and from the server, and nobody sees it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call } from '../lab/call.mjs'
import { makeNamespace } from '../lab/namespace.mjs'
import { inspect } from '../lab/seen.mjs'

/** The longest that a picture may stand still with one packet in twenty lost each way, ms: a repair takes a round trip or two,
 * and seeing the gap takes the next packet. */
const HOLD = 1000
const LOSS_PERCENT = 5
/** Metrics are for the server's own machine; in its namespace every port is free. */
const METRICS = '127.0.0.1:9100'

test('lost packets are repaired', async t => {
  const space = makeNamespace()
  t.after(() => space.remove())
  const listen = { 'http.listen': `["${space.there}:0","${METRICS}"]`, 'sfu.listen': `${space.there}:0` }
  const set = { ...listen, 'room.mesh_limit': 1, 'turn.enabled': false }
  const call = await Call.start({ set, within: space.within })
  t.after(() => call.stop())
  const people = await call.people(2, { tone: false })
  await call.everybodySees(people)
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
  const metrics = await space.fetch(`http://${METRICS}/metrics`)
  const value = name => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(metrics)?.[1] ?? 0)
  const repaired = value('crescendo_repaired_packets_total')
  const sent = value('crescendo_retransmitted_packets_total\\{how="rtx"\\}')
  t.diagnostic(`${repaired} repaired on the way up, ${sent} sent again on the way down`)
  assert.ok(repaired > 0 && sent > 0)
})
