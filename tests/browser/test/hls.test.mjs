// A broadcast out of a mesh: nobody in the call notices, and it plays on while the call grows and shrinks.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
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
async function watch(call, browser, sender, query = '') {
  const page = await browser.newPage({ type: 'window' })
  page.on('pageerror', error => console.error(`watch page: ${error.stack ?? error}`))
  const opened = Date.now()
  await page.goto(new URL(`/watch/lab${query}`, call.site.url).href)
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
  const call = await Call.start({
    set: { 'room.mesh_limit': 2, 'room.warm_at': 2, 'room.demote_after_ms': 2000, 'hls.directory': directory },
  })
  t.after(() => call.stop())
  t.after(() => rmSync(directory, { recursive: true, force: true }))
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

test('players play on while the sender changes its resolution, falls silent, leaves and comes back', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'crescendo-hls-'))
  const call = await Call.start({ set: { 'hls.directory': directory } })
  t.after(() => call.stop())
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  // One who stays, so that the room does, and one whose picture is shown.
  const host = await call.participant({ video: false, tone: true })
  await host.join()
  const ann = await call.participant()
  await ann.join()
  const { url } = await host.lab('startLeg', { kind: 'hls' })
  const viewers = await launch('chromium')
  t.after(() => viewers.close())
  const viewer = await watch(call, viewers, ann.number)
  const pictures = async since => (await viewer.record()).runs.filter(([at, what]) => at > since && what >= 0).length
  const moves = what => {
    const since = Date.now()
    return until(`the broadcast to move ${what}`, async () => (await pictures(since)) >= 5)
  }
  const size = () => viewer.page.evaluate(() => document.querySelector('video').videoWidth)
  await moves('at first')
  const large = await size()
  const begun = Date.now()

  await ann.lab('encode', { scaleResolutionDownBy: 2 })
  await until('the smaller picture to be shown', async () => (await size()) < large)
  await moves('when it is smaller')
  await ann.lab('encode', { scaleResolutionDownBy: 1, maxFramerate: 5 })
  await until('the larger picture to be shown', async () => (await size()) === large)
  await moves('at five frames a second')
  await ann.lab('encode', { active: false, maxFramerate: 30 })
  await sleep(4000)
  await ann.lab('encode', { active: true })
  await moves('after a silence')
  await ann.leave()
  await sleep(4000)
  await ann.join()
  await moves('when the sender is back')

  const { paths } = await viewer.record()
  assert.deepEqual(paths.filter(([at]) => at > begun), [], 'the player was never started anew')
  const playlist = await (await fetch(new URL('video.m3u8', new URL(url, call.server.http)))).text()
  const target = Number(/TARGETDURATION:(\d+)/.exec(playlist)[1])
  for (const [, length] of playlist.matchAll(/EXTINF:([\d.]+)/g)) assert.ok(Math.round(length) <= target, `a segment of ${length} s`)
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
    assert.ok(media.lowLatencyCompatibility.canSkipUntil >= 6 * media.targetDuration, `${uri} has delta updates`)
    assert.ok(media.renditionReports.length > 0, `${uri} tells of the other rendition`)
    const update = new URL(uri, url)
    update.searchParams.set('_HLS_skip', 'YES')
    await load(update)
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

test('a viewer goes back, follows a link to a moment, is counted, and sees it all again when it is over', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'crescendo-hls-'))
  // What a CDN would serve.
  const beyond = mkdtempSync(join(tmpdir(), 'crescendo-cdn-'))
  t.after(() => rmSync(beyond, { recursive: true, force: true }))
  const set = { 'hls.directory': directory, 'hls.segments': 3, 'hls.linger_ms': 1000, 'hls.upload_to': `file://${beyond}/live` }
  const call = await Call.start({ set })
  t.after(() => call.stop())
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const ann = await call.participant()
  await ann.join()
  const { id: leg } = await ann.lab('startLeg', { kind: 'hls' })
  const viewers = await launch('chromium')
  t.after(() => viewers.close())
  const viewer = await watch(call, viewers, ann.number)
  const { page } = viewer
  // Longer than memory goes back: 3 segments.
  const scrubber = await until('something to go back to', () => page.$('#scrub:not([hidden]) #seek'), 60_000)
  assert.equal(await page.$('#quality:not([hidden])'), null, 'there is nothing to choose from')
  const latency = async () => {
    // “1.4 s behind”, “1:05 behind”
    const [, minutes = 0, seconds] = /^(?:(\d+):)?([\d.]+)(?: s)? behind/.exec(await page.$eval('#latency', element => element.textContent)) ?? []
    return 60 * Number(minutes) + Number(seconds)
  }
  await until('the delay to be shown', async () => (await latency()) < 10)

  await scrubber.focus()
  await page.keyboard.press('Home')
  await until('the viewer to be far behind', async () => (await latency()) > 15)
  const behind = Date.now()
  const moves = since => until('the broadcast to move', async () => (await viewer.record()).runs.filter(([at, what]) => at > since && what >= 0).length >= 5)
  await moves(behind)
  await page.click('#live')
  await until('the viewer to be live again', async () => (await latency()) < 10)
  await moves(Date.now())

  const seen = await until('one viewer to be counted', async () => (await call.server.api(`/rooms/lab/legs/${leg}`)).viewers === 1 && call.server.api('/rooms/lab'))
  assert.equal(seen.viewers, 1)
  assert.ok(seen.legs[0].health.lateParts >= 0)
  await until('the viewer to be told', () => page.$eval('#viewers', element => element.textContent === '1 watching'))

  const moment = await page.evaluate(() => new Date(window.crescendo.hls.playingDate.getTime() - 10_000).toISOString())
  const second = await watch(call, viewers, ann.number, `?start=${moment}`)
  const date = () => second.page.evaluate(() => window.crescendo.hls?.playingDate?.getTime())
  await until('the link to lead to its moment', async () => Math.abs((await date()) - new Date(moment)) < 4000)

  await ann.lab('stopLeg', leg)
  await until('the end to be shown', () => page.$('#again:not([hidden])'), 60_000)
  // Long after the end it comes from disk alone.
  await until('memory to be given back', async () => !(await (await fetch(`${call.server.http}/hls/lab/video.m3u8`)).text()).includes('VERSION:9'))
  const over = Date.now()
  await page.click('#again')
  await until('it to be played from its beginning', () => page.evaluate(() => { const video = document.querySelector('video'); return !video.paused && video.currentTime > 1 && video.currentTime < 15 }))
  await moves(over)
  assert.equal(await page.$eval('#live-text', element => element.textContent), 'Recorded')
  await soundVod(new URL('/hls/lab/index.m3u8', call.server.http))
  await until('all of it to be beyond the server', () => isMirrored(join(beyond, 'live')))
  mirrored(join(beyond, 'live'))
})

function isMirrored(root) {
  const [variant] = readFileSync(join(root, 'lab', 'index.m3u8'), 'utf8').match(/^.*video\.m3u8$/m)
  return readFileSync(join(root, 'lab', variant), 'utf8').includes('#EXT-X-ENDLIST')
}

/** The broadcast is beyond the server as well, whole, and begins at the room's own address. */
function mirrored(root) {
  const index = readFileSync(join(root, 'lab', 'index.m3u8'), 'utf8')
  const [variant] = index.match(/^[0-9a-f]+\/video\.m3u8$/m)
  const playlist = readFileSync(join(root, 'lab', variant), 'utf8')
  assert.ok(playlist.trimEnd().endsWith('#EXT-X-ENDLIST'))
  const segments = playlist.match(/^video-.*\.m4s$/gm).length
  assert.ok(segments > 15, `${segments} segments`)
  const file = join(root, 'lab', 'index.m3u8')
  const probed = execFileSync('ffprobe', ['-v', 'error', '-count_packets', '-show_entries', 'stream=codec_type,nb_read_packets', '-of', 'json', file])
  for (const { codec_type: kind, nb_read_packets: packets } of JSON.parse(probed).streams) {
    assert.ok(Number(packets) > 100, `${packets} packets of ${kind}`)
  }
}

/** What is over: all segments are there, and nothing more will come. */
async function soundVod(url) {
  HLS.setOptions({ strictMode: true })
  const master = HLS.parse(await (await fetch(url)).text())
  const media = HLS.parse(await (await fetch(new URL(master.variants[0].uri, url))).text())
  assert.ok(media.endlist)
  assert.ok(media.segments.length > 15, `${media.segments.length} segments`)
  for (const { uri } of media.segments) assert.equal((await fetch(new URL(uri, url))).status, 200, uri)
}
