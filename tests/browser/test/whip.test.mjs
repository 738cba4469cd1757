// Whoever has a plain RTCPeerConnection and fetch can publish into a room and watch one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Call, until } from '../lab/call.mjs'
import { startSound } from '../lab/sound.mjs'
import { openWhip } from '../lab/whip.mjs'

for (const browser of ['chromium', 'firefox']) {
  test(`${browser} publishes by WHIP into a call, plays from it by WHEP, and the call is a mesh again without`, async t => {
    // Firefox's audio waits for a device to play on.
    const sound = browser === 'firefox' ? await startSound() : undefined
    const call = await Call.start({ sound, set: { 'room.demote_after_ms': 1000 } })
    t.after(async () => {
      await call.stop()
      await sound?.stop()
    })
    const people = await call.people(2)
    await call.everybodySees(people)
    assert.equal(await call.mode(), 'mesh')

    const encoder = await openWhip(call, browser)
    await encoder.publish()
    for (const person of people) await person.sees([encoder])
    await call.reaches('sfu')
    const [posted, ...patched] = await encoder.lab('answers')
    assert.deepEqual([posted.method, posted.status], ['POST', 201])
    assert.match(posted.location, /^\/whip\/lab\/[A-Za-z0-9_-]{24}$/)
    assert.match(posted.links, /<turn:[^,]*; rel="ice-server"; username="/)
    assert.ok(patched.every(({ method, status }) => method === 'PATCH' && status === 204), 'candidates followed')

    const player = await openWhip(call, browser, 8)
    await player.play(people[0])
    await player.sees([people[0]])
    await until('sound', async () => (await player.lab('received')).audio > 50)

    await encoder.lab('restart')
    const { status, tag } = (await encoder.lab('answers')).at(-1)
    assert.equal(status, 200)
    assert.notEqual(tag, posted.tag)
    for (const person of people) await person.sees([encoder])
    await player.sees([people[0]])

    await encoder.lab('end')
    await player.lab('end')
    await call.reaches('mesh')
    await call.everybodySees(people)
    const left = (await people[0].events()).filter(({ name }) => name === 'participant-left').map(({ who }) => who)
    assert.deepEqual(left.sort(), ['WHEP', encoder.name])
  })
}
