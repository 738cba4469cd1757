// Calls through every kind of network: behind NATs, without UDP, with the server's media port out of reach. Each case prints how
// long its connections took, from having been made to standing.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../lab/call.mjs'
import { selfSigned } from '../lab/certificate.mjs'
import { SERVER } from '../lab/nat.mjs'
import { NatCall } from '../lab/nat-call.mjs'
import { inspect } from '../lab/seen.mjs'

const CONE = {}
const SYMMETRIC = { symmetric: true }
const NO_UDP = { udp: false }
/** The lab's internet is of a range that no relay would send to otherwise. */
const turn = { 'turn.allow_peers': '["203.0.113.0/24"]' }

/** A call of people behind these routers, in front of these browsers, who all see each other. `nats` may ask the server. */
async function callOf(t, nats, { set = {}, browsers = [], before = () => {} } = {}) {
  const call = await NatCall.start(t, { ...turn, ...set })
  before(call)
  const routers = typeof nats === 'function' ? nats(call.server) : nats
  const machines = routers.map(nat => call.internet.client(nat))
  await Promise.all(machines.map((within, index) => call.person(within, { browser: browsers[index] })))
  await call.join()
  await call.everybodySees()
  return call
}

/** All ways of everybody, printed. */
async function waysOf(t, call) {
  const ways = await Promise.all(call.people.map(person => person.ways()))
  for (const [index, own] of ways.entries()) {
    for (const { ms, local, remote, over } of own) {
      t.diagnostic(`${call.people[index].name}: ${ms} ms, ${local}${over ? ` over ${over}` : ''} to ${remote}`)
    }
  }
  return ways.flat()
}

/** Everybody sees everybody else over the mesh, as the room knows it and as each client tells it. */
async function overMesh(call, { relayed }) {
  await until(`every link to be ${relayed ? 'relayed' : 'direct'}`, async () => {
    const { mode, paths } = await call.room()
    const shown = paths.every(path => path.state === 'shown' && path.carrier === 'mesh' && path.relayed === relayed)
    return mode === 'mesh' && shown
  })
  for (const person of call.people) {
    for (const track of await person.lab('stats')) assert.deepEqual([track.path, track.relayed], ['mesh', relayed])
  }
}

/** How a relay is reached where UDP passes: over UDP as a rule, but a browser whose relay over TCP is there first may stay with it. */
const ANY_RELAY = ['udp', 'tcp']

for (const browsers of [['chromium', 'chromium'], ['chromium', 'firefox']]) {
  describe(browsers.join(' and '), () => {
    test('behind cone NATs connect directly', async t => {
      const call = await callOf(t, [CONE, CONE], { browsers })
      await overMesh(call, { relayed: false })
      for (const { local, remote } of await waysOf(t, call)) assert.ok(![local, remote].includes('relay'))
    })

    test('behind symmetric NATs connect through TURN', async t => {
      const call = await callOf(t, [SYMMETRIC, SYMMETRIC], { browsers })
      await overMesh(call, { relayed: true })
      const relays = (await waysOf(t, call)).filter(({ local }) => local === 'relay')
      assert.ok(relays.length > 0)
      for (const { over } of relays) assert.ok(ANY_RELAY.includes(over), over)
    })

    test('with UDP blocked connect through TURN over TCP', async t => {
      const call = await callOf(t, [NO_UDP, NO_UDP], { browsers })
      await overMesh(call, { relayed: true })
      const ways = await waysOf(t, call)
      assert.equal(ways.length, 2)
      for (const { local, over } of ways) assert.deepEqual([local, over], ['relay', 'tcp'])
    })
  })
}

test('one behind a cone and one behind a symmetric NAT connect', async t => {
  const call = await callOf(t, [CONE, SYMMETRIC])
  await waysOf(t, call)
})

test('one without UDP and one behind a symmetric NAT connect through TURN', async t => {
  const call = await callOf(t, [NO_UDP, SYMMETRIC])
  await overMesh(call, { relayed: true })
  const ways = await waysOf(t, call)
  assert.ok(ways.some(({ local, over }) => local === 'relay' && over === 'tcp'))
})

describe('where nothing but web traffic passes, TURN over TLS connects', () => {
  // Firefox would have to be given an authority of the lab's own; what it does over TCP is the same inside.
  for (const [where, turns] of [
    ['on a port of its own', bound => bound.more.find(url => url.startsWith('turns:'))],
    ['on the port of the pages', bound => bound.https],
  ]) {
    test(where, async t => {
      const [certificate, key] = selfSigned(t, SERVER)
      const tls = { 'tls.listen': `${SERVER}:0`, 'turn.tls_listen': `${SERVER}:0`, 'tls.cert': certificate, 'tls.key': key }
      const port = url => Number(url.split(':').at(-1))
      const router = ({ bound }) => ({ udp: false, tcp: [port(bound.http), port(turns(bound))] })
      const call = await callOf(t, server => [router(server), router(server)], { set: tls })
      await overMesh(call, { relayed: true })
      const ways = await waysOf(t, call)
      assert.equal(ways.length, 2)
      for (const { local, over } of ways) assert.deepEqual([local, over], ['relay', 'tls'])
    })
  }
})

describe('the server is reached', () => {
  const set = { 'room.mesh_limit': 1 }

  /** Both transports of both people. */
  async function transports(t, call) {
    const { mode } = await call.room()
    assert.equal(mode, 'sfu')
    const ways = await waysOf(t, call)
    assert.equal(ways.length, 4)
    return ways
  }

  test('straight through any NAT', async t => {
    const call = await callOf(t, [CONE, SYMMETRIC], { set })
    for (const { local } of await transports(t, call)) assert.notEqual(local, 'relay')
  })

  test('through TURN when its media port is blocked', async t => {
    const call = await callOf(t, [CONE, SYMMETRIC], { set, before: call => call.internet.drop(call.media) })
    for (const { local, over } of await transports(t, call)) {
      assert.equal(local, 'relay')
      assert.ok(ANY_RELAY.includes(over), over)
    }
  })

  test('through TURN over TCP when UDP is blocked', async t => {
    const call = await callOf(t, [NO_UDP, NO_UDP], { set })
    for (const { local, over } of await transports(t, call)) assert.deepEqual([local, over], ['relay', 'tcp'])
  })

  for (const browsers of [['chromium', 'chromium'], ['chromium', 'firefox']]) {
    // With a relay there it is a race, in which a browser stays with whichever answers first.
    test(`over TCP without any relay when UDP is blocked, by ${browsers.join(' and ')}`, async t => {
      const tcp = { ...set, 'turn.enabled': false, 'sfu.tcp_listen': `${SERVER}:0` }
      const call = await callOf(t, [NO_UDP, NO_UDP], { set: tcp, browsers })
      for (const { local, protocol } of await transports(t, call)) {
        assert.notEqual(local, 'relay')
        assert.equal(protocol, 'tcp')
      }
    })
  }

  test('over TCP on the port of the pages where nothing but web traffic passes', async t => {
    const [certificate, key] = selfSigned(t, SERVER)
    const tls = { 'tls.listen': `${SERVER}:0`, 'tls.cert': certificate, 'tls.key': key }
    const shared = { ...tls, 'turn.enabled': false, 'sfu.tcp_on_https': true }
    const port = url => Number(url.split(':').at(-1))
    const router = ({ bound }) => ({ udp: false, tcp: [port(bound.http), port(bound.https)] })
    const call = await callOf(t, server => [router(server), router(server)], { set: { ...set, ...shared } })
    for (const { local, protocol } of await transports(t, call)) {
      assert.notEqual(local, 'relay')
      assert.equal(protocol, 'tcp')
    }
  })

  test('over UDP where it passes, though TCP would do', async t => {
    const call = await callOf(t, [CONE, SYMMETRIC], { set: { ...set, 'sfu.tcp_listen': `${SERVER}:0` } })
    for (const { local, protocol } of await transports(t, call)) {
      assert.notEqual(local, 'relay')
      assert.equal(protocol, 'udp')
    }
  })
})

test('three of whom most are relayed to each other move to the server', async t => {
  const call = await NatCall.start(t, { ...turn, 'room.demote_after_ms': 1500 })
  const [home, office] = [call.internet.client(SYMMETRIC), call.internet.client(SYMMETRIC)]
  await Promise.all([home, home, office].map(within => call.person(within)))
  await call.join()
  await call.everybodySees()
  for (const person of call.people) {
    await until('the room to be on the server', async () => (await person.mode()) === 'sfu')
  }
  await call.everybodySees()
  await waysOf(t, call)
  const { paths } = await call.room()
  for (const { state, carrier } of paths) assert.deepEqual([state, carrier], ['shown', 'sfu'])
})

test('one who cannot reach the server stays on the mesh, and everybody else moves', async t => {
  // Without a relay there is no other way to the server.
  const call = await NatCall.start(t, { 'turn.enabled': false, 'room.mesh_limit': 3, 'room.switch_deadline_ms': 4000 })
  const home = call.internet.client(CONE)
  const cut = call.internet.neighbour(home, { without: call.media })
  await Promise.all([home, home, cut, home].map(within => call.person(within)))
  const newcomer = call.people.pop()
  await call.join()
  await call.everybodySees()
  const apart = call.people[2]
  const before = Date.now()
  call.people.push(newcomer)
  await newcomer.join()
  await until('everybody to be where they can be', async () => {
    const { mode, participants, paths } = await call.room()
    const idOf = person => participants.find(({ name }) => name === person.name)?.id
    const over = ({ receiver, sender }) => ([receiver, sender].includes(idOf(apart)) ? 'mesh' : 'sfu')
    return mode === 'sfu' && paths.length === 12 && paths.every(path => path.state === 'shown' && path.carrier === over(path))
  })
  await call.everybodySees()
  await waysOf(t, call)
  for (const person of call.people.slice(0, 3)) {
    const { tiles, now } = await person.record(before)
    for (const { name } of call.people.slice(0, 3).filter(other => other !== person)) {
      const seen = inspect(tiles[name].runs, before, now)
      t.diagnostic(`${person.name} saw ${name} stand still for ${Math.round(seen.hold)} ms at most`)
      assert.equal(seen.blanks, 0)
      assert.ok(seen.hold < 2000, `${person.name} saw ${name} stand still for ${seen.hold} ms`)
    }
    const closed = (await person.events()).filter(({ name }) => name === 'closed')
    assert.deepEqual(closed, [], 'nobody was sent away')
  }
})

describe("apps on Ant Media's SDK", () => {
  /** Is told of the relay by the server alone: does it go by it, its own or the other one's? */
  async function relayed(t, app, ends) {
    const ways = await app.ways()
    for (const { ms, local, remote, over } of ways) t.diagnostic(`${app.page.name}: ${ms} ms, ${local} over ${over} to ${remote}`)
    assert.ok(ways.length > 0)
    return ways.every(way => ends.some(end => way[end] === 'relay'))
  }

  test('behind symmetric NATs see each other through TURN', async t => {
    const call = await NatCall.start(t, turn)
    const [first, second] = await Promise.all([1, 2].map(() => call.app(call.internet.client(SYMMETRIC))))
    for (const app of [first, second]) {
      await app.call('join', 'duo')
      await app.told('joined')
    }
    await Promise.all([first.sees(1), second.sees(1)])
    // Which of the two relays is decided anew until both ends have nominated the same.
    for (const app of [first, second]) assert.ok(await relayed(t, app, ['local', 'remote']))
    for (const app of [first, second]) assert.deepEqual(await app.errors(), [])
  })

  test('without UDP publish and play through TURN over TCP', async t => {
    const call = await NatCall.start(t, { ...turn, 'antmedia.turn_transport': 'tcp' })
    const publisher = await call.app(call.internet.client(NO_UDP))
    const player = await call.app(call.internet.client(NO_UDP), { play: true })
    await publisher.call('publish', 'stage')
    await publisher.told('publish_started')
    await player.call('play', 'stage')
    await player.sees(1)
    for (const app of [publisher, player]) {
      assert.ok(await relayed(t, app, ['local']))
      assert.deepEqual(await app.errors(), [])
    }
  })
})

// What the relay was given is refused once it has expired; browsers ask for a relay anew with each link.
test('a call outlives the credentials of its relay, and links that come later are relayed as well', async t => {
  const lifetime = 10
  const call = await callOf(t, [SYMMETRIC, SYMMETRIC], { set: { 'turn.credential_ttl_s': lifetime } })
  await overMesh(call, { relayed: true })
  const expired = Date.now() + lifetime * 1000
  await until('the first credentials to have expired', () => Date.now() > expired)
  await call.everybodySees()
  const third = await call.person(call.internet.client(SYMMETRIC))
  await third.join()
  await call.everybodySees()
  await overMesh(call, { relayed: true })
  const closed = (await Promise.all(call.people.map(person => person.events()))).flat().filter(({ name }) => name === 'closed')
  assert.deepEqual(closed, [])
})
