// A broadcast out of a mesh: nobody in the call notices, and it plays on while the call grows and shrinks.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import HLS from 'hls-parser'
import { ageOf } from '../page/picture.js'
import { Call, until } from '../lab/call.mjs'
import { launch } from '../lab/browsers.mjs'
import { distribution, inspect } from '../lab/seen.mjs'

/** Opens /watch of the room as a viewer does, with the lab's eye on its video; gives the page and when it was opened. */
async function watch(call, browser, sender) {
  const page = await browser.newPage({ type: 'window' })
  page.on('pageerror', error => console.error(`watch page: ${error.stack ?? error}`))
  const opened = Date.now()
  await page.goto(new URL('/watch/lab', call.site.url).href)
  await page.evaluate(async sender => {
    const eye = await import('/lab/eye.js')
    const video = document.querySelector('video')
    eye.watch('broadcast', video.parentElement, sender, () => video.currentSrc)
    const tile = eye.tiles.get('broadcast')
    window.lab = { record: () => ({ runs: tile.runs, paths: tile.paths, now: performance.timeOrigin + performance.now() }) }
  }, sender)
  return { page, opened, record: () => page.evaluate(() => window.lab.record()) }
}

test('a broadcast is started in a mesh, watched, and goes on through a promotion and a demotion', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'crescendo-hls-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const call = await Call.start({
    set: { 'room.mesh_limit': 2, 'room.warm_at': 2, 'room.demote_after_ms': 2000, 'hls.directory': directory },
  })
  t.after(() => call.stop())
  const people = await call.people(2)
  await call.everybodySees(people)
  const [ann] = people
  const mesh = (await ann.lab('connections')).map(({ signaling, state }) => ({ signaling, state }))

  const { id: leg, url } = await ann.lab('startLeg', { kind: 'hls', of: (await call.server.api('/rooms/lab')).participants[0].id })
  await until('the broadcast to run', async () => (await call.server.api(`/rooms/lab/legs/${leg}`)).state === 'running')
  assert.equal(await call.mode(), 'mesh')
  const link = mesh.findIndex(({ state }) => state === 'connected')
  assert.equal((await ann.lab('connections'))[link].signaling, mesh[link].signaling, 'the mesh link is not renegotiated')
  await call.everybodySees(people)

  const viewers = await launch('chromium')
  t.after(() => viewers.close())
  const viewer = await watch(call, viewers, ann.number)
  const moving = await until('the broadcast to move', async () => {
    const { runs } = await viewer.record()
    const pictures = runs.filter(([, what]) => what >= 0)
    return pictures.length >= 5 && pictures[0][0]
  })
  t.diagnostic(`first picture ${Math.round(moving - viewer.opened)} ms after opening`)
  assert.ok(moving - viewer.opened < 20_000)

  await sleep(3000)
  const ages = (await viewer.record()).runs.slice(-20).filter(([, what]) => what >= 0).map(([at, what]) => ageOf(what, at))
  const { median, max } = distribution(ages)
  t.diagnostic(`behind the camera: median ${Math.round(median)} ms, max ${Math.round(max)} ms`)
  assert.ok(median < 5000)

  const begun = Date.now()
  const third = await call.participant()
  await third.join()
  await call.reaches('sfu')
  await call.everybodySees([...people, third])
  await sleep(3000)
  await third.leave()
  await call.reaches('mesh')
  await call.everybodySees(people)
  await sleep(3000)
  const { runs, now, paths } = await viewer.record()
  const seen = inspect(runs, begun, now)
  t.diagnostic(`through both switches: longest stand-still ${Math.round(seen.hold)} ms, blank ${seen.blanks}, back ${seen.back}`)
  assert.equal(seen.blanks, 0)
  assert.deepEqual(paths.filter(([at]) => at > begun), [], 'the player was never started anew')
  assert.ok(seen.hold < 2000, `stood still for ${seen.hold} ms`)

  await soundPlaylists(new URL(url, call.server.http))
  await ann.lab('stopLeg', leg)
  await until('the broadcast to end', async () =>
    (await ann.events()).some(event => event.name === 'leg-changed' && event.leg.state === 'stopped'),
  )
  assert.equal(await call.mode(), 'mesh')
  decodes(directory)
})

/** hls-parser, which throws at what is against the rules, takes the live playlists, and the media playlists say what low latency needs. */
async function soundPlaylists(url) {
  HLS.setOptions({ strictMode: true })
  const load = async at => {
    const response = await fetch(at)
    assert.equal(response.status, 200, `${at}`)
    return HLS.parse(await response.text())
  }
  const master = await load(url)
  assert.ok(master.isMasterPlaylist)
  const renditions = master.variants.flatMap(variant => [variant, ...variant.audio])
  assert.ok(renditions.length > 0)
  for (const { uri } of renditions.filter(({ uri }) => uri)) {
    const media = await load(new URL(uri, url))
    assert.ok(media.segments.length > 0, `${uri} has segments`)
    assert.ok(media.partTargetDuration > 0, `${uri} has parts`)
    assert.ok(media.lowLatencyCompatibility?.canBlockReload, `${uri} can block`)
    assert.ok(media.segments.some(segment => segment.programDateTime), `${uri} has dates`)
  }
}

/** ffprobe decodes video and sound of what was written. */
function decodes(directory) {
  const files = readdirSync(directory, { recursive: true }).map(name => join(directory, name))
  const playlists = files.filter(file => file.endsWith('.m3u8') && statSync(file).size > 0)
  assert.ok(playlists.length > 0, `playlists among ${files}`)
  const kinds = new Set()
  for (const file of playlists) {
    const text = execFileSync(
      'ffprobe',
      ['-v', 'error', '-count_frames', '-show_entries', 'stream=codec_type,codec_name,nb_read_frames', '-of', 'json', file],
      { timeout: 60_000 },
    )
    for (const stream of JSON.parse(text).streams) {
      assert.ok(Number(stream.nb_read_frames) > 20, `${stream.codec_name}: ${stream.nb_read_frames} frames`)
      kinds.add(stream.codec_type)
    }
  }
  assert.deepEqual([...kinds].sort(), ['audio', 'video'])
}
