// The layers of a camera are the rungs of a ladder: players change between them, and nobody who watches sees it stop.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import HLS from 'hls-parser'
import { Call, until } from '../lab/call.mjs'
import { launch } from '../lab/browsers.mjs'

/** The longest that a picture may stand still while its player changes the rung: a segment, ms. */
const HOLD = 1000
/** 960 by 720. */
const SCALE = 6
/** What a player takes to play evenly, ms. */
const SETTLED = 5000
const WIDTHS = [960, 480, 240]
const STEPS = [240, 960, 480, 960, 240]

const file = name => fileURLToPath(new URL(name, import.meta.url))

/** In the page: what both players have in common. */
function open() {
  const video = document.body.appendChild(document.createElement('video'))
  video.muted = true
  video.playsInline = true
  const seen = { errors: [], shown: [] }
  const look = now => {
    seen.shown.push([Math.round(now), video.videoWidth])
    video.requestVideoFrameCallback(look)
  }
  video.requestVideoFrameCallback(look)
  window.watching = { video, seen }
}

const players = {
  'hls.js': {
    script: file('../../../web/node_modules/hls.js/dist/hls.min.js'),
    start: async url => {
      const { video, seen } = window.watching
      const hls = new window.Hls({ lowLatencyMode: true })
      hls.on(window.Hls.Events.ERROR, (_, { fatal, details }) => seen.errors.push({ fatal, details }))
      hls.loadSource(url)
      hls.attachMedia(video)
      window.choose = width => {
        hls.nextLevel = hls.levels.findIndex(level => level.width === width)
      }
      await video.play()
    },
  },
  Shaka: {
    script: file('../node_modules/shaka-player/dist/shaka-player.compiled.js'),
    start: async url => {
      const { video, seen } = window.watching
      window.shaka.polyfill.installAll()
      const player = new window.shaka.Player()
      player.addEventListener('error', ({ detail }) =>
        seen.errors.push({ fatal: detail.severity === 2, details: detail.code }),
      )
      await player.attach(video)
      // As a player without low latency does: what is measured is the change, not how close to the edge it dares to be.
      player.configure({ abr: { enabled: false }, streaming: { lowLatencyMode: false } })
      await player.load(url)
      window.choose = width => {
        player.selectVariantTrack(player.getVariantTracks().find(track => track.width === width))
      }
      await video.play()
    },
  },
}

test('players change the rung of a ladder without a stop', async t => {
  const call = await Call.start({ set: { 'room.mesh_limit': 2, 'room.warm_at': 2 } })
  t.after(() => call.stop())
  const sender = await call.participant({ scale: SCALE })
  await sender.join()
  const { id: leg } = await sender.lab('startLeg', { kind: 'hls' })
  await until('the broadcast to run', async () => (await call.server.api(`/rooms/lab/legs/${leg}`)).state === 'running')
  assert.equal(await call.mode(), 'mesh')
  const url = `${call.server.http}/hls/lab/index.m3u8`
  let rungs
  await until('three rungs', async () => {
    const answer = await fetch(url)
    rungs = answer.ok ? HLS.parse(await answer.text()).variants : []
    return rungs.length === 3
  }).catch(error => {
    throw new Error(`${error.message}; there are ${JSON.stringify(rungs.map(({ resolution }) => resolution))}`)
  })
  assert.deepEqual(rungs.map(({ resolution }) => resolution.width), WIDTHS)
  for (const [index, { bandwidth, averageBandwidth, frameRate, codecs }] of rungs.entries()) {
    assert.ok(bandwidth >= averageBandwidth && (index === 0 || averageBandwidth < rungs[index - 1].averageBandwidth))
    assert.ok(frameRate > 5 && /^avc3\.42[0-9a-f]{4},mp4a\.40\.2$/.test(codecs), codecs)
  }

  const browser = await launch('chromium')
  t.after(() => browser.close())
  for (const [name, { script, start }] of Object.entries(players)) {
    const page = await browser.newPage({ type: 'window' })
    await page.goto(`${call.server.http}/healthz`)
    await page.setBypassCSP(true)
    await page.reload()
    await page.addScriptTag({ path: script })
    await page.evaluate(open)
    await page.evaluate(start, url)
    const seen = () => page.evaluate(() => window.watching.seen)
    await until(`${name} to play`, async () => (await seen()).shown.length > 20)
    // It has found its distance to the live edge.
    await sleep(SETTLED)
    const begun = (await seen()).shown.length
    const steps = []
    for (const width of STEPS) {
      const asked = Date.now()
      steps.push(await page.evaluate(() => Math.round(performance.now())))
      await page.evaluate(width => window.choose(width), width)
      await until(`${name} to show ${width}`, async () => (await seen()).shown.at(-1)[1] === width).catch(async error => {
        throw new Error(`${error.message}; ${JSON.stringify((await seen()).shown.at(-1))}`)
      })
      t.diagnostic(`${name}: ${width} wide after ${Date.now() - asked} ms`)
      await sleep(1500)
    }
    const { errors, shown } = await seen()
    const times = shown.slice(begun).map(([at]) => at)
    const stops = times.slice(1).map((at, index) => [at - times[index], times[index]])
    const [longest, at] = stops.reduce((one, other) => (other[0] > one[0] ? other : one))
    const after = steps.map(step => at - step)
    t.diagnostic(`${name}: the longest that the picture stood still is ${longest} ms; errors ${JSON.stringify(errors)}`)
    t.diagnostic(`${name}: that was ${after.filter(ms => ms >= 0).at(-1) ?? after[0]} ms after a change was asked for`)
    assert.deepEqual(errors.filter(({ fatal }) => fatal), [])
    assert.ok(longest <= HOLD, `${name}: the picture stood still for ${longest} ms`)
    await page.close()
  }
})
