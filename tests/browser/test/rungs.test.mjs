// A picture that is sent in one size is broadcast in several, or in another codec: players change between the sizes, and play what no
// sender sent.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import HLS from 'hls-parser'
import { Call, until } from '../lab/call.mjs'
import { launch } from '../lab/browsers.mjs'

/** 480 by 360: below the size from which a camera is sent in layers. */
const SCALE = 3
const LADDER = [360, 180, 90]
const WIDTHS = [480, 240, 120]
/** The longest that a picture may stand still while its player changes the rung: a segment, and what a shared machine takes, ms. */
const HOLD = 2000
const HLS_JS = fileURLToPath(new URL('../../../web/node_modules/hls.js/dist/hls.min.js', import.meta.url))

/** In the page: plays `url` and notes what is shown. */
async function play(url) {
  const video = document.body.appendChild(document.createElement('video'))
  video.muted = true
  video.playsInline = true
  const seen = { errors: [], shown: [] }
  const look = now => {
    seen.shown.push([Math.round(now), video.videoWidth])
    video.requestVideoFrameCallback(look)
  }
  video.requestVideoFrameCallback(look)
  const hls = new window.Hls({ lowLatencyMode: true })
  hls.on(window.Hls.Events.ERROR, (_, { fatal, details }) => seen.errors.push({ fatal, details }))
  hls.loadSource(url)
  hls.attachMedia(video)
  window.watching = { hls, seen }
  await video.play()
}

/** A call in which one sends `codec` in one size, and its broadcast with `options`; gives the rungs and a page that plays them. */
async function broadcast(t, codec, options, count) {
  const call = await Call.start({ set: { 'sfu.video_codecs': `["${codec}"]`, 'hls.transcodes': 3 } })
  t.after(() => call.stop())
  const sender = await call.participant({ scale: SCALE })
  await sender.join()
  const { id: leg } = await sender.lab('startLeg', { kind: 'hls', ...options })
  const state = () => call.server.api(`/rooms/lab/legs/${leg}`)
  await until('the broadcast to run', async () => (await state()).state === 'running')
  const url = `${call.server.http}/hls/lab/index.m3u8`
  let rungs = []
  await until(`${count} rungs`, async () => {
    const answer = await fetch(url)
    rungs = answer.ok ? HLS.parse(await answer.text()).variants : []
    return rungs.length === count
  })
  const browser = await launch('chromium')
  t.after(() => browser.close())
  const page = await browser.newPage({ type: 'window' })
  await page.goto(`${call.server.http}/healthz`)
  await page.setBypassCSP(true)
  await page.reload()
  await page.addScriptTag({ path: HLS_JS })
  await page.evaluate(play, url)
  const seen = () => page.evaluate(() => window.watching.seen)
  await until('the broadcast to play', async () => (await seen()).shown.length > 20)
  return { leg: await state(), rungs, page, seen }
}

test('players change the rung of a ladder that was made of one size', async t => {
  const { leg, rungs, page, seen } = await broadcast(t, 'VP8', { ladder: LADDER }, LADDER.length)
  assert.deepEqual(leg.ladder, LADDER)
  assert.deepEqual(rungs.map(({ resolution }) => [resolution.width, resolution.height]), WIDTHS.map((width, index) => [width, LADDER[index]]))
  for (const { codecs } of rungs) assert.match(codecs, /^avc3\.42[0-9a-f]{4},mp4a\.40\.2$/)
  const begun = (await seen()).shown.length
  for (const width of [120, 480, 240, 120]) {
    const asked = Date.now()
    await page.evaluate(width => {
      const { hls } = window.watching
      hls.nextLevel = hls.levels.findIndex(level => level.width === width)
    }, width)
    await until(`${width} to be shown`, async () => (await seen()).shown.at(-1)[1] === width)
    t.diagnostic(`${width} wide after ${Date.now() - asked} ms`)
  }
  const { errors, shown } = await seen()
  const times = shown.slice(begun).map(([at]) => at)
  const longest = Math.max(...times.slice(1).map((at, index) => at - times[index]))
  t.diagnostic(`the longest that the picture stood still is ${longest} ms; errors ${JSON.stringify(errors)}`)
  assert.deepEqual(errors.filter(({ fatal }) => fatal), [])
  assert.ok(longest <= HOLD, `the picture stood still for ${longest} ms`)
})

for (const codec of ['VP9', 'AV1'])
  test(`${codec} is broadcast as H.264`, async t => {
    const { rungs, page, seen } = await broadcast(t, codec, {}, 1)
    assert.match(rungs[0].codecs, /^avc3\./)
    await until('it to go on', async () => (await seen()).shown.length > 60)
    assert.deepEqual((await seen()).errors.filter(({ fatal }) => fatal), [])
    assert.ok((await page.evaluate(() => window.watching.seen.shown.at(-1)[1])) > 0)
  })
