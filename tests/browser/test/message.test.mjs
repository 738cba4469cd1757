// Messages of the app, in a mesh, by way of the server, and while the room moves.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Call, until } from '../lab/call.mjs'

const SET = { 'room.mesh_limit': 2, 'room.warm_at': 2, 'room.demote_after_ms': 500 }

const counted = async (person, from) =>
  (await person.lab('messages')).heard
    .filter(message => message.from === from.name && message.data?.count !== undefined)
    .map(({ data }) => data.count)

/** Sends unreliable messages until one has come, and gives how many of them went over the socket. */
async function reaches(from, to, data, options = {}) {
  const before = (await from.lab('messages')).said
  const name = `${JSON.stringify(data)} of ${from.name} to reach ${to.name}`
  await until(name, async () => {
    await from.lab('send', data, { reliable: false, ...options })
    const { heard } = await to.lab('messages')
    return heard.some(message => message.from === from.name && JSON.stringify(message.data) === JSON.stringify(data))
  })
  return (await from.lab('messages')).said - before
}

for (const browser of ['chromium', 'firefox']) {
  describe(`messages in ${browser}`, () => {
    let call, ann, ben, cleo
    before(async () => {
      call = await Call.start({ set: SET })
      // Firefox makes no sound without a device.
      const person = () => call.participant({ browser, tone: false })
      ;[ann, ben, cleo] = [await person(), await person(), await person()]
      await ann.join()
      await ben.join()
      await call.everybodySees([ann, ben])
    })
    after(() => call?.stop())

    test('reach the other in a mesh, reliable over the socket and unreliable over the link', async () => {
      await ann.lab('send', { chat: 'hello' })
      await ben.lab('send', [0, 255, 7], { to: ann.name, bytes: true })
      const heardBy = async person => (await person.lab('messages')).heard
      await until('both', async () => (await heardBy(ben)).length === 1 && (await heardBy(ann)).length === 1)
      assert.deepEqual(await heardBy(ben), [{ from: ann.name, data: { chat: 'hello' }, bytes: false }])
      assert.deepEqual(await heardBy(ann), [{ from: ben.name, data: [0, 255, 7], bytes: true }])
      assert.equal(await reaches(ann, ben, 'over the link'), 0, 'none went over the socket')
      assert.equal(await reaches(ben, ann, [1, 2, 3], { bytes: true, to: ann.name }), 0)
    })

    test('are each there once and in order while the room is promoted and demoted', async () => {
      const counting = [ann, ben].map(person => person.lab('count', { ms: 25, until: 400 }))
      await cleo.join()
      await call.reaches('sfu')
      await call.everybodySees([ann, ben, cleo])
      const during = await counted(ben, ann)
      await cleo.leave()
      await call.reaches('mesh')
      const after = await counted(ben, ann)
      assert.ok(after.length > during.length, 'messages went on')
      const [first, second] = await Promise.all(counting)
      const all = [...Array(400).keys()]
      assert.deepEqual([first, second], [400, 400])
      await until('the last one', async () => (await counted(ben, ann)).length >= 400 && (await counted(ann, ben)).length >= 400)
      assert.deepEqual(await counted(ben, ann), all)
      assert.deepEqual(await counted(ann, ben), all)
    })

    test('take the server where the media does', async () => {
      await cleo.join()
      await call.reaches('sfu')
      await call.everybodySees([ann, ben, cleo])
      for (const [from, to] of [[ann, ben], [ben, cleo], [cleo, ann]]) {
        assert.equal(await reaches(from, to, `${from.number} to all`), 0, 'none went over the socket')
        assert.equal(await reaches(from, to, [from.number, 9], { bytes: true, to: to.name }), 0)
        const others = [ann, ben, cleo].filter(other => other !== from && other !== to)
        for (const other of others) {
          const { heard } = await other.lab('messages')
          assert.ok(!heard.some(({ data }) => JSON.stringify(data) === `[${from.number},9]`), 'it was for one')
        }
      }
      await cleo.lab('send', 'reliable too')
      await until('it at both', async () => {
        const heard = await Promise.all([ann, ben].map(async person => (await person.lab('messages')).heard))
        return heard.every(messages => messages.filter(({ data }) => data === 'reliable too').length === 1)
      })
    })

    test('go on after a socket was cut, none lost and none doubled', async () => {
      const before = (await counted(ben, ann)).length
      const counting = ann.lab('count', { ms: 10, until: 200 })
      await until('some to come', async () => (await counted(ben, ann)).length > before + 40)
      await ann.lab('cut')
      await until('some more', async () => (await counted(ben, ann)).length > before + 120)
      await ben.lab('cut')
      assert.equal(await counting, 200)
      await until('the last one', async () => (await counted(ben, ann)).length >= before + 200)
      assert.deepEqual((await counted(ben, ann)).slice(before), [...Array(200).keys()])
    })
  })
}
