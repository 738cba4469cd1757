// Large pictures are sent in three sizes, and each receiver gets the one that fits how large it shows it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call, until } from '../lab/call.mjs'
import { inspect } from '../lab/seen.mjs'
import { startSound } from '../lab/sound.mjs'

/** The longest that a picture may stand still while it changes its size, ms. */
const HOLD = 1000
/** 960 by 720. */
const SCALE = 6

/** [how wide the tile is made, how wide the picture becomes, its layer] */
const STEPS = [
  [160, 240, 'low'],
  [640, 960, 'high'],
  [320, 480, 'medium'],
  [160, 240, 'low'],
  [640, 960, 'high'],
]

/** Waits until `eye` is shown `of` with this many pixels across. */
async function width(eye, of, wanted) {
  let seen
  await until(
    `${eye.name} to get a picture ${wanted} wide`,
    async () => {
      const stats = await eye.lab('stats')
      seen = stats.find(({ kind, path }) => kind === 'video' && path === 'sfu')
      return seen?.frameWidth === wanted && seen
    },
    20_000,
  ).catch(error => {
    throw new Error(`${error.message}; it is ${seen?.frameWidth} wide (${seen?.layer})`)
  })
  return seen
}

for (const browser of ['chromium', 'firefox']) {
  test(`a receiver gets the size that it shows, in ${browser}`, async t => {
    const sound = await startSound()
    t.after(() => sound.stop())
    const call = await Call.start({ set: { 'room.mesh_limit': 1 }, sound })
    t.after(() => call.stop())
    const sender = await call.participant({ browser, scale: SCALE })
    const eye = await call.participant({ browser })
    for (const person of [sender, eye]) await person.join()
    await call.reaches('sfu')
    await call.everybodySees([sender, eye])
    const since = Date.now()
    for (const [shown, wanted, layer] of STEPS) {
      await eye.lab('resize', sender.name, shown, (shown * 3) / 4)
      const begun = Date.now()
      const stats = await width(eye, sender, wanted)
      t.diagnostic(`shown ${shown} wide: ${wanted} after ${Date.now() - begun} ms`)
      assert.equal(stats.layer, layer)
      await sleep(1500)
    }
    const { tiles, now } = await eye.record(since)
    const seen = inspect(tiles[sender.name].runs, since, now)
    t.diagnostic(JSON.stringify(seen))
    assert.ok(seen.hold < HOLD, `the picture stood still for ${seen.hold} ms`)
    assert.deepEqual([seen.blanks, seen.back, seen.strangers], [0, 0, 0])

    const sent = (await sender.lab('outbound')).filter(({ kind, framesSent }) => kind === 'video' && framesSent > 0)
    assert.deepEqual(sent.map(({ rid }) => rid).sort(), ['h', 'l', 'm'])
    const small = (await eye.lab('outbound')).filter(({ kind, framesSent }) => kind === 'video' && framesSent > 0)
    assert.deepEqual(small.map(({ rid }) => rid), ['h'], 'a small picture is sent in one size')
  })
}

test('a picture that is out of view is not sent, and comes back', async t => {
  const call = await Call.start({ set: { 'room.mesh_limit': 1 } })
  t.after(() => call.stop())
  const [sender, eye] = await call.people(2, { tone: false })
  await call.everybodySees([sender, eye])
  const scroll = top => eye.page.evaluate(top => {
    document.querySelector('#tiles').style.marginTop = `${top}px`
  }, top)
  const frames = async () => (await eye.lab('stats')).find(({ kind }) => kind === 'video').framesDecoded
  await scroll(5000)
  await until('pictures to stop', async () => {
    const before = await frames()
    await sleep(700)
    return (await frames()) === before
  })
  await scroll(0)
  await eye.sees([sender])
})
