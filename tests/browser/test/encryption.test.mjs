// Media that nobody on the way can read: sealed in one browser, opened in the others, in a mesh and by way of the server.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch } from '../lab/browsers.mjs'
import { Call, toneOf, until } from '../lab/call.mjs'
import { fakeDevices, moving, openPage } from '../lab/pages.mjs'
import { inspect } from '../lab/seen.mjs'
import { startServer } from '../lab/server.mjs'
import { heard, startSound } from '../lab/sound.mjs'

const encryption = { secret: 'a secret of this test' }

/** Pictures of `of` that `eye` has seen in the last `ms`. */
async function pictures(eye, of, ms) {
  const { tiles, now } = await eye.record(Date.now() - ms)
  return inspect(tiles[of.name]?.runs ?? [], now - ms, now).pictures
}

async function refusal(person) {
  return person.join().then(
    () => undefined,
    error => error.message,
  )
}

describe('an encrypted call', () => {
  let call, sound, people
  before(async () => {
    sound = await startSound()
    call = await Call.start({ sound })
  })
  after(async () => {
    await call?.stop()
    await sound?.stop()
  })

  test('is seen and heard by who has the secret, in a mesh', async () => {
    const ann = await call.participant({ encryption, listen: true })
    const ben = await call.participant({ encryption, browser: 'firefox' })
    const cleo = await call.participant({ encryption })
    people = [ann, ben, cleo]
    for (const person of people) await person.join()
    await call.everybodySees(people)
    assert.equal(await call.mode(), 'mesh')
    const levels = await heard(sound, [ben, cleo].map(({ number }) => toneOf(number)))
    for (const usual of levels) assert.ok(usual > 0.02, `levels ${levels}`)
  })

  test('is sealed too where it is published later, on connections that are there', async () => {
    const dora = await call.participant({ encryption, video: false, tone: false })
    await dora.join()
    await dora.sees(people)
    await dora.lab('publish', dora.number)
    for (const person of people) await person.sees([dora])
    assert.equal(await call.mode(), 'mesh')
    await dora.leave()
    await until('Dora to be gone', async () => (await call.server.api('/rooms/lab')).participants.length === 3)
  })

  test('lets nobody in who is not encrypted, and has no legs', async () => {
    assert.match(await refusal(await call.participant()), /encryption-differs/)
    const response = await fetch(`${call.server.http}/api/v1/rooms/lab/legs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'hls' }),
    })
    assert.equal(response.status, 409)
    assert.equal((await response.json()).code, 'room-encrypted')
  })

  test('is nothing to who has another secret', async () => {
    const eve = await call.participant({ encryption: { secret: 'another one' } })
    await eve.join()
    await until('Eve to be in', async () => (await call.server.api('/rooms/lab')).participants.length === 4)
    await call.everybodySees(people)
    await sleep(2000)
    for (const person of people) assert.equal(await pictures(eve, person, 5000), 0)
    for (const person of people) assert.equal(await pictures(person, eve, 5000), 0)
    await eve.leave()
  })

  test('goes on when somebody leaves and everybody takes a new key', async () => {
    // The keys of those who are left are new by then.
    await sleep(2000)
    await call.everybodySees(people)
    const [eye, , of] = people
    const { tiles, now } = await eye.record(Date.now() - 4000)
    const { hold } = inspect(tiles[of.name].runs, now - 4000, now)
    // Without a key it would be all of it.
    assert.ok(hold < 3000, `the picture stood still for ${hold} ms`)
  })

  test('moves through the server and back, where the library comes from another origin too', async () => {
    const library = `${call.server.http}/client.js`
    const more = [await call.participant({ encryption }), await call.participant({ encryption, library })]
    for (const person of more) await person.join()
    await call.reaches('sfu')
    await call.everybodySees([...people, ...more])
    for (const person of more) await person.leave()
    await call.reaches('mesh')
    await call.everybodySees(people)
  })
})

test('an open call lets nobody in who wants it encrypted, and shared keys follow the secret', async t => {
  const call = await Call.start()
  t.after(() => call.stop())
  const ann = await call.participant({ tone: false })
  await ann.join()
  assert.match(await refusal(await call.participant({ encryption, tone: false })), /encryption-differs/)
  assert.match(await refusal(await call.participant({ encryption: { secret: '' }, tone: false })), /bad-secret/)
  const shared = { secret: 'first', keys: 'shared' }
  const people = [
    await call.participant({ encryption: shared, room: 'sealed', tone: false }),
    await call.participant({ encryption: shared, room: 'sealed', tone: false }),
  ]
  for (const person of people) await person.join()
  await call.everybodySees(people)
  for (const person of people) await person.lab('rotateKeys', 'second')
  await call.everybodySees(people)
})

test('the pages hand the key on in the link, and nowhere else', async t => {
  const server = await startServer()
  t.after(() => server.stop())
  const browser = await launch('chromium', { more: fakeDevices })
  t.after(() => browser.close())
  const ann = await openPage(browser, server.http)
  const asked = []
  ann.on('request', request => {
    asked.push(request.url().split('#')[0], JSON.stringify(request.headers()), request.postData() ?? '')
  })
  const protocol = await ann.createCDPSession()
  await protocol.send('Network.enable')
  protocol.on('Network.webSocketFrameSent', ({ response }) => asked.push(response.payloadData))
  await ann.type('#room', 'sealed')
  await ann.click('#encrypt')
  await ann.click('button[type=submit]')
  await ann.waitForSelector('#encrypted:not([hidden])')
  await until('Ann to be in', async () => (await server.api('/rooms')).rooms.length === 1)
  const link = await ann.$eval('#alone-link', input => input.value)
  assert.match(link, /\/r\/sealed#key=[\w-]{22}$/)
  const ben = await openPage(browser, link.replace('#', '?auto=1#'))
  for (const page of [ann, ben]) await until('the other one to be seen', async () => (await moving(page)) > 0)
  assert.ok(!(await ann.$('[data-leg]')), 'no broadcast is offered')

  const cut = await openPage(browser, link.slice(0, -1))
  assert.match(await cut.$eval('#after-title', title => title.textContent), /not a room/)
  const eve = await openPage(browser, link.replace(/#.*/, '?auto=1'))
  await until('Eve to be told', async () => /does not fit/.test(await eve.$eval('#after-title', title => title.textContent)))
  const key = link.split('=').at(-1)
  assert.ok(asked.some(sent => sent.startsWith('{"type":"join"')), 'what the page sends is seen')
  assert.ok(!asked.some(sent => sent.includes(key)), 'the key was sent nowhere')
})
