// The operators' page sees a call as it is, and what is done there happens to those who are in it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Board } from '../lab/admin.mjs'
import { launch } from '../lab/browsers.mjs'
import { Call, until } from '../lab/call.mjs'
import { startServer } from '../lab/server.mjs'

const moves = text => text !== undefined && /^[1-9]/.test(text)
const heard = (person, wanted, what) =>
  until(`${person.name} to hear of ${what}`, async () => (await person.events()).find(wanted))

test('a call of two is shown with its paths and figures that move, and is ended piece by piece', async t => {
  const call = await Call.start({ set: { 'room.mesh_limit': 2, 'room.warm_at': 3 } })
  t.after(() => call.stop())
  const people = await call.people(2)
  const [ann, ben] = people
  await call.everybodySees(people)
  const board = await Board.open(await call.browser(), call.server)

  await t.test('the room, its mode, who is in it and how they are connected', async () => {
    await board.shows('.room-name', /^lab$/)
    await board.shows('.room-head .mode', /^Mesh$/)
    await board.shows('.rooms-item', /lab2Mesh/)
    await board.shows('#contact', /^Live$/)
    await until('both to be direct', async () => {
      const rows = Object.values(await board.people())
      return rows.length === 2 && rows.every(({ paths }) => paths.join() === 'Direct')
    })
    await board.shows('#node', /People2/)
  })

  await t.test('figures of a mesh, which the clients tell', async () => {
    await until('figures of both', async () => {
      const rows = Object.values(await board.people())
      return rows.every(({ sends, receives }) => moves(sends) && moves(receives)) && rows
    })
    const before = await board.people()
    await until('the plots to move', async () => {
      const now = await board.people()
      return Object.keys(before).every(name => now[name].plots.every((plot, n) => plot !== before[name].plots[n]))
    })
  })

  await t.test('what happened before the page was opened', async () => {
    await board.shows('#log li', /lab-0 \(p1\) joined/)
  })

  await t.test('muting, of which both are told', async () => {
    await board.press('tr[data-participant="p1"] .track[aria-label^="Mute camera"]')
    await board.shows('.toast', /lab-0: camera muted/)
    await until('the camera to be off on the page', () =>
      board.page.$('tr[data-participant="p1"] .track[aria-label^="Mute camera"][aria-pressed="true"]'),
    )
    await until('its own client to have muted it', () => ann.lab('isMuted', 'camera'))
    await until('the other to know', () => ben.lab('isMuted', 'camera', ann.name))
    await board.press('tr[data-participant="p1"] .track[aria-label^="Mute camera"]')
    await until('it to be on again', async () => !(await ann.lab('isMuted', 'camera')))
    await call.everybodySees(people)
  })

  await t.test('a leg, with who started it, until it is stopped', async () => {
    await ann.lab('startLeg', { kind: 'hls' })
    await board.shows('tr[data-leg]', /Broadcast.*lab-0 \(p1\)/)
    await board.press('tr[data-leg] .out', { sure: true })
    await heard(ben, ({ name, leg }) => name === 'leg-changed' && leg.state === 'stopped', 'the end of the broadcast')
    await board.shows('.none', /neither broadcast nor recorded/)
  })

  await t.test('the SFU, when a third comes', async () => {
    const third = await call.participant()
    await third.join()
    await call.reaches('sfu')
    await board.shows('.room-head .mode', /^SFU$/)
    await until('all to be on the SFU with figures', async () => {
      const rows = Object.values(await board.people())
      const done = ({ paths, sends, receives }) => paths.join() === 'SFU 2' && moves(sends) && moves(receives)
      return rows.length === 3 && rows.every(done)
    })
    await board.shows('#log li', /now SFU, after/)
  })

  await t.test('muting at the SFU, by which the others see nothing new', async () => {
    const [, , third] = call.participants
    const camera = 'tr[data-participant="p1"] .track[aria-label^="Mute camera"]'
    await board.press(camera)
    for (const other of [ben, third]) {
      await until(`${other.name} to know`, () => other.lab('isMuted', 'camera', ann.name))
      // What was under way has come; from then on two seconds bring nothing.
      const count = async () => (await other.record(0)).tiles[ann.name].runs.length
      let before = await count()
      await until(`pictures of ${ann.name} to stand still for ${other.name}`, async () => {
        const last = before
        await sleep(2000)
        before = await count()
        return before === last
      })
    }
    await board.press(camera)
    await call.everybodySees([ann, ben, third])
  })

  await t.test('a hostile name, as text', async () => {
    const name = '<img src=x onerror="document.title=1"><b>bold</b>'
    await ben.page.evaluate(
      async (url, name) => {
        const { Room } = await import('/client.js')
        window.hostile = new Room({ url, room: 'lab', name })
        await window.hostile.join()
      },
      call.server.ws,
      name,
    )
    await until('the name to be shown', async () => name in (await board.people()))
    await board.shows('#log li', /<img src=x onerror/)
    assert.equal(await board.page.$('#room img, #room table b, #log img, #log b'), null)
    assert.notEqual(await board.page.title(), '1')
    await ben.page.evaluate(() => window.hostile.leave())
  })

  await t.test('putting somebody out, who is told why', async () => {
    await board.press('tr[data-participant="p2"] .out', { sure: true })
    await heard(ben, ({ name, code }) => name === 'error' && code === 'removed', 'its removal')
    await heard(ben, ({ name }) => name === 'closed', 'the end')
    await heard(ann, ({ name, who }) => name === 'participant-left' && who === ben.name, 'who is gone')
    await board.shows('#log li', /lab-1 \(p2\) was put out/)
  })

  await t.test('closing the room', async () => {
    await board.press('.room-head .danger', { sure: true })
    await heard(ann, ({ name, code }) => name === 'error' && code === 'removed', 'the end of the room')
    await board.shows('#room', /no room lab now|show up here/)
  })
  assert.deepEqual(board.refused, [], 'the policy of the page forbids nothing that it does')
})

test('with keys nobody is let in without a token that says so', async t => {
  const secret = '0123456789abcdef0123456789abcdef'
  const server = await startServer({ 'access.api_keys': `[{ id = 'shop', secret = '${secret}' }]` })
  t.after(() => server.stop())
  const browser = await launch('chromium')
  t.after(() => browser.close())
  const post = async (path, body) => {
    const headers = { authorization: `Bearer shop.${secret}`, 'content-type': 'application/json' }
    const answer = await fetch(`${server.http}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.equal(answer.status, 201)
    return answer.json()
  }
  for (const name of ['demo', 'other']) await post('/rooms', { name })
  const token = async claims => (await post('/tokens', claims)).token
  const board = await Board.open(browser, server)
  const enter = async credential => {
    await board.page.locator('#credential').fill(credential)
    await board.page.keyboard.press('Enter')
  }

  await board.page.waitForSelector('#credential', { visible: true })
  assert.deepEqual(await board.texts('.rooms-item'), [])
  await enter(await token({ room: '*', join: true, publish: true, subscribe: true, legs: true }))
  await board.shows('#entry-why', /not granted: admin/)
  await enter('shop.nonsense')
  await board.shows('#entry-why', /no API key/)

  // Of one room.
  await enter(await token({ room: 'demo', admin: true }))
  await board.shows('.room-name', /^demo$/)
  assert.deepEqual(await board.texts('.rooms-name'), ['demo'])
  // It is kept for this tab, through a reload.
  await board.page.reload()
  await board.shows('.room-name', /^demo$/)
  await board.press('#forget')
  await board.page.waitForSelector('#credential', { visible: true })

  // Of every room, with all that goes on.
  await enter(await token({ room: '*', admin: true }))
  await board.shows('.rooms-name', /^other$/)
  await board.shows('#node', /TURN/)
  await board.shows('#log li', /other.*opened/)
  await board.press('.rooms-item[data-room="other"]')
  await board.shows('.room-name', /^other$/)
  await board.press('.room-head .danger', { sure: true })
  await until('the room to be gone', async () => !(await board.texts('.rooms-name')).includes('other'))
  const kept = await board.page.evaluate(() => [localStorage.length, document.cookie, location.href])
  assert.deepEqual(kept, [0, '', `${server.http}/admin#other`])
})
