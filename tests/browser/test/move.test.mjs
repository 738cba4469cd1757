// Somebody is sent to another room: the people there see it, with the camera it had.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launch } from '../lab/browsers.mjs'
import { Call, until } from '../lab/call.mjs'
import { fakeDevices, moving, openPage } from '../lab/pages.mjs'
import { startServer } from '../lab/server.mjs'

/** What the server answers to who sends somebody to another room. */
const move = async (server, room, who, to) => {
  const { participants } = await server.api(`/rooms/${room}`)
  const { id } = participants.find(({ name }) => name === who)
  return fetch(`${server.http}/api/v1/rooms/${room}/participants/${id}/move`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ room: to }),
  })
}

test('who is sent from a mesh to a room on the server is seen there, and sees', async t => {
  const call = await Call.start({ set: { 'room.mesh_limit': 2, 'room.warm_at': 3 } })
  t.after(() => call.stop())
  const [ann, ben] = await call.people(2)
  await call.everybodySees([ann, ben])
  const others = await call.people(2, { room: 'side' })
  await call.everybodySees(others)
  const asked = await ann.page.evaluate(() => {
    const devices = navigator.mediaDevices
    const ask = devices.getUserMedia.bind(devices)
    window.askedAgain = 0
    devices.getUserMedia = wanted => (window.askedAgain++, ask(wanted))
    return window.askedAgain
  })

  assert.equal((await move(call.server, 'lab', ann.name, 'side')).status, 204)
  await until('the app to be told', async () => (await ann.events()).find(({ name }) => name === 'moved'))
  await call.everybodySees([ann, ...others])
  await call.reaches('sfu', { room: 'side' })
  assert.equal(await ann.page.evaluate(() => window.askedAgain), asked, 'camera and microphone are the same')
  await until('Ben to know that Ann is gone', async () =>
    (await ben.events()).find(({ name, who }) => name === 'participant-left' && who === ann.name),
  )
  assert.deepEqual((await call.server.api('/rooms/lab')).participants.map(({ name }) => name), [ben.name])

  assert.equal((await move(call.server, 'side', ann.name, 'lab')).status, 204)
  await call.everybodySees([ann, ben])
})

test('the call page says where it is now', async t => {
  const server = await startServer()
  t.after(() => server.stop())
  const browser = await launch('chromium', { more: fakeDevices })
  t.after(() => browser.close())
  const at = (room, name) => openPage(browser, `${server.http}/r/${room}?auto=1&name=${name}`)
  const [ann, ben] = await Promise.all([at('lab', 'Ann'), at('side', 'Ben')])
  await until('Ann to be there', async () => (await server.api('/rooms')).rooms.some(({ name }) => name === 'lab'))
  assert.equal((await move(server, 'lab', 'Ann', 'side')).status, 204)
  for (const page of [ann, ben]) await until('the other one to be seen', async () => (await moving(page)) > 0)
  const shown = () => ann.evaluate(() => [location.pathname, document.querySelector('#room-name').textContent, document.title])
  await until('the page to say so', async () => (await shown()).join() === '/r/side,side,(2) side · Crescendo')
})
