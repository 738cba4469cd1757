// Somebody walks out of the door while talking: another network, another address, the same call.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NatCall } from '../lab/nat-call.mjs'

const CONE = {}

/** Two people, of whom the first comes to another network; then they see each other again, by the connections that they had. */
async function roams(t, set, browser) {
  const call = await NatCall.start(t, { 'turn.allow_peers': '["203.0.113.0/24"]', ...set })
  const machines = [CONE, CONE].map(nat => call.internet.client(nat))
  for (const within of machines) await call.person(within, { browser })
  await call.join()
  await call.everybodySees()
  const made = () => Promise.all(call.people.map(async person => (await person.lab('connections')).length))
  const [before, { participants }] = [await made(), await call.room()]

  const left = Date.now()
  call.internet.move(machines[0])
  await call.everybodySees()
  t.diagnostic(`${browser}: everybody sees everybody again ${Date.now() - left} ms after the old network was left`)
  assert.deepEqual(await made(), before, 'nobody has made a new connection')
  assert.deepEqual((await call.room()).participants.map(({ id }) => id), participants.map(({ id }) => id))
  for (const person of call.people) {
    const errors = (await person.events()).filter(({ name }) => name === 'error')
    assert.deepEqual(errors, [])
  }
}

describe('a call goes on in another network', () => {
  for (const browser of ['chromium', 'firefox']) {
    test(`by way of the server, in ${browser}`, t => roams(t, { 'room.mesh_limit': 1 }, browser))
    test(`in a mesh, in ${browser}`, t => roams(t, {}, browser))
  }
})
