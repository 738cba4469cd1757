// Recordings of real browsers: in a mesh and through both switches, of every codec that they send, killed at any moment.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call, until } from '../lab/call.mjs'
import { complaints, filesIn, killed, luma, record, recordings, times } from '../lab/recordings.mjs'
import { launch } from '../lab/browsers.mjs'
import { startSound } from '../lab/sound.mjs'

function directoryOf(t) {
  const directory = mkdtempSync(join(tmpdir(), 'crescendo-record-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** The longest time between two packets in a part of a recording, in seconds. */
function longest(times, from = 0, to = Infinity) {
  let gap = 0
  for (let i = 1; i < times.length; i++)
    if (times[i] > from && times[i - 1] < to) gap = Math.max(gap, times[i] - times[i - 1])
  return gap
}

async function stopped(call, person, leg) {
  await person.lab('stopLeg', leg)
  return until('the recording to be finished', async () =>
    (await recordings(call.server)).find(({ state }) => state === 'finished'),
  )
}

for (const codec of ['H264', 'VP8'])
  test(`${codec} in a mesh is recorded through a promotion and a demotion, and no link notices`, async t => {
    const directory = directoryOf(t)
    const call = await Call.start({
      set: {
        'room.mesh_limit': 2,
        'room.warm_at': 2,
        'room.demote_after_ms': 2000,
        'record.directory': directory,
        'sfu.video_codecs': `["${codec}"]`,
      },
    })
    t.after(() => call.stop())
    const people = await call.people(2)
    await call.everybodySees(people)
    const [ann, ben] = people
    const links = async () => (await ann.lab('connections')).map(({ signaling, state }) => ({ signaling, state }))
    const mesh = await links()
    const begun = Date.now()
    const leg = await record(call, ann)
    await call.everybodySees(people)
    assert.equal(await call.mode(), 'mesh')
    const link = mesh.findIndex(({ state }) => state === 'connected')
    assert.equal((await links())[link].signaling, mesh[link].signaling, 'the mesh link is not renegotiated')
    const told = await until('Ben to be told', async () =>
      (await ben.events()).find(({ name, leg }) => name === 'leg-changed' && leg.kind === 'record')?.leg,
    )
    const annId = (await call.server.api('/rooms/lab')).participants.find(({ name }) => name === ann.name).id
    assert.equal(told.startedBy, annId)

    await sleep(5000)
    const switching = (Date.now() - begun) / 1000
    const third = await call.participant()
    await third.join()
    await call.reaches('sfu')
    await call.everybodySees([...people, third])
    await sleep(2000)
    await third.leave()
    await call.reaches('mesh')
    await call.everybodySees(people)
    await sleep(2000)
    const recording = await stopped(call, ann, leg)
    assert.equal(await call.mode(), 'mesh')

    assert.equal(recording.startedBy.name, ann.name)
    assert.deepEqual(recording.participants.map(({ name }) => name).sort(), [...people, third].map(p => p.name).sort())
    const ofTwo = recording.files.filter(({ participant }) => participant !== 'p3')
    assert.equal(ofTwo.length, 2, `one file each: ${JSON.stringify(recording.files)}`)
    assert.ok(recording.files.some(({ participant, offsetMs }) => participant === 'p3' && offsetMs > 4000))
    for (const { name, tracks, durationMs } of ofTwo) {
      const file = filesIn(directory).find(path => path.endsWith(name))
      assert.deepEqual(tracks.map(track => track.codec), [codec, 'Opus'])
      const [pictures, sound] = [times(file, 'v'), times(file, 'a')]
      const before = longest(pictures, 1, switching - 1)
      const during = longest(pictures, switching - 1)
      const heard = longest(sound)
      t.diagnostic(
        `${name}: ${durationMs} ms, ${pictures.length} pictures, longest gap ${before.toFixed(3)} s before and ` +
          `${during.toFixed(3)} s through the switches, sound ${heard.toFixed(3)} s, gaps ${JSON.stringify(tracks.map(track => track.gaps))}`,
      )
      assert.ok(during <= Math.max(2 * before, 0.4), `the picture stood for ${during} s`)
      assert.ok(heard < 0.07, `the sound has a hole of ${heard} s`)
      assert.ok(Math.abs(pictures.at(-1) - sound.at(-1)) < 1, 'picture and sound end together')
      assert.equal(complaints(file), '')
    }
    // A browser plays it from the API, and seeks.
    const { name } = ofTwo[0]
    const page = await (await call.browser()).newPage()
    await page.goto(`${call.server.http}/api/v1/rooms/lab/recordings/${recording.id}/${encodeURIComponent(name)}`)
    const played = await page.evaluate(async () => {
      const video = document.querySelector('video')
      video.muted = true
      const event = name => new Promise(done => video.addEventListener(name, done, { once: true }))
      if (!(video.duration > 0)) await event('loadedmetadata')
      const seeked = event('seeked')
      video.currentTime = video.duration / 2
      await seeked
      const from = video.currentTime
      await video.play()
      while (video.currentTime < from + 1) await event('timeupdate')
      return { duration: video.duration, width: video.videoWidth, error: video.error?.message }
    })
    assert.ok(played.duration > 8 && played.width > 0 && !played.error, JSON.stringify(played))
  })

test('everybody is recorded in one picture with one sound, in a mesh and through a promotion, beside a file of each', async t => {
  const directory = directoryOf(t)
  const call = await Call.start({
    set: { 'room.mesh_limit': 2, 'record.directory': directory, 'composite.width': 640, 'composite.height': 360 },
  })
  t.after(() => call.stop())
  const people = await call.people(2)
  await call.everybodySees(people)
  const [ann] = people
  const leg = await record(call, ann, { layout: 'grid' })
  const apart = await record(call, ann)
  assert.notEqual(leg, apart)
  assert.equal(await call.mode(), 'mesh')
  await sleep(4000)
  const third = await call.participant()
  await third.join()
  people.push(third)
  await call.reaches('sfu')
  await call.everybodySees(people)
  await sleep(4000)
  await ann.lab('stopLeg', apart)
  await ann.lab('stopLeg', leg)
  const both = await until('both recordings to be finished', async () => {
    const all = await recordings(call.server)
    return all.length === 2 && all.every(({ state }) => state === 'finished') && all
  })

  const together = both.find(recording => recording.leg === leg)
  assert.equal(both.find(recording => recording.leg === apart).files.length, 3)
  assert.deepEqual(together.participants.map(({ name }) => name).sort(), people.map(({ name }) => name).sort())
  const [{ name, source, participant, tracks, durationMs }, ...others] = together.files
  assert.deepEqual([name, source, participant, others], ['everybody-all-composite.mp4', 'composite', 'all', []])
  assert.deepEqual(tracks.map(track => track.codec), ['H264', 'Opus'])
  assert.deepEqual([tracks[0].width, tracks[0].height], [640, 360])
  const file = filesIn(directory).find(path => path.endsWith(name))
  const [pictures, sound] = [times(file, 'v'), times(file, 'a')]
  t.diagnostic(`${durationMs} ms, longest gap of the picture ${longest(pictures).toFixed(3)} s, of the sound ${longest(sound).toFixed(3)} s`)
  assert.ok(durationMs > 8000, `${durationMs} ms`)
  // Pictures that a busy machine cannot compose in time are left out, sound never is.
  assert.ok(longest(pictures) < 1.5 && longest(sound) < 0.07)
  assert.equal(complaints(file), '')
  // Spread of the luma in the upper half of a tile; the grid has two side by side first, and then two above one.
  const spread = (at, x, y) => {
    const all = luma(file, at, 64, 36)
    const part = Array.from({ length: 12 * 6 }, (_, i) => all[(y + Math.floor(i / 12)) * 64 + x + (i % 12)])
    const mean = part.reduce((sum, one) => sum + one, 0) / part.length
    return Math.sqrt(part.reduce((sum, one) => sum + (one - mean) ** 2, 0) / part.length)
  }
  const end = pictures.at(-1) - 1
  const [early, late] = [[spread(3, 10, 14), spread(3, 42, 14)], [spread(end, 10, 4), spread(end, 42, 4), spread(end, 26, 22)]]
  t.diagnostic(`spread of luma: ${early.map(Math.round)}, then ${late.map(Math.round)}`)
  for (const one of [...early, ...late]) assert.ok(one > 10, `a tile is flat: ${early}, ${late}`)
})

test('Firefox, which has no H.264, is recorded beside Chromium', async t => {
  const directory = directoryOf(t)
  const sound = await startSound()
  t.after(() => sound.stop())
  const call = await Call.start({ set: { 'record.directory': directory }, sound })
  t.after(() => call.stop())
  const people = [await call.participant(), await call.participant({ browser: 'firefox' })]
  for (const person of people) await person.join()
  await call.everybodySees(people)
  const leg = await record(call, people[0])
  await sleep(5000)
  const recording = await stopped(call, people[0], leg)
  for (const { id } of (await call.server.api('/rooms/lab')).participants) {
    const last = recording.files.findLast(({ participant }) => participant === id)
    assert.deepEqual(last.tracks.map(track => track.codec), ['VP8', 'Opus'], JSON.stringify(recording.files))
  }
  for (const file of filesIn(directory)) assert.equal(complaints(file), '', file)
})

test('killed at any moment, each file plays to within a second of the end, and the next start finishes it', async t => {
  const directory = directoryOf(t)
  for (let round = 0; round < 4; round++) {
    const { seconds, torn, finished } = await killed(directory, 2000 + Math.random() * 4000)
    t.diagnostic(`round ${round}: ${seconds.toFixed(2)} s long, ${torn.lost.toFixed(3)} s lost`)
    assert.equal(torn.state, 'recording')
    assert.ok(torn.lost < 1, `${torn.lost} s are lost`)
    assert.equal(torn.complaints, '')
    assert.ok(finished.finished && finished.durationMs > 1000)
    assert.ok(finished.lost < 1, `${finished.lost} s are lost`)
    assert.equal(finished.complaints, '')
  }
})

/** In a browser's own player: plays the end of what it was sent to. Gives how long all of it is, and where it is then. */
async function playEnd() {
  const video = document.querySelector('video')
  const is = name => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true })
    video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true })
  })
  video.muted = true
  if (video.readyState < 1) await is('loadedmetadata')
  const sought = is('seeked')
  video.currentTime = video.duration - 1
  await sought
  const ended = is('ended')
  await video.play()
  await ended
  return { seconds: video.duration, at: video.currentTime, width: video.videoWidth }
}

test('a recording is WebM where that is asked for, and browsers play it from anywhere on', async t => {
  const directory = directoryOf(t)
  const call = await Call.start({ set: { 'record.directory': directory, 'sfu.video_codecs': '["VP8"]' } })
  t.after(() => call.stop())
  const people = await call.people(2)
  await call.everybodySees(people)
  const leg = await record(call, people[0], { format: 'webm' })
  await sleep(4000)
  const { id, files } = await stopped(call, people[0], leg)
  assert.equal(files.length, 2)
  for (const file of filesIn(directory)) {
    assert.match(file, /\.webm$/)
    assert.equal(complaints(file), '', file)
    assert.ok(longest(times(file, 'v')) < 0.3 && longest(times(file, 'a')) < 0.03, file)
  }
  const url = `${call.server.http}/api/v1/rooms/lab/recordings/${id}/${files[0].name}`
  assert.equal((await fetch(url)).headers.get('content-type'), 'video/webm')
  for (const name of ['chromium', 'firefox']) {
    const browser = await launch(name)
    t.after(() => browser.close())
    const page = await browser.newPage()
    await page.goto(url)
    const { seconds, at, width } = await page.evaluate(playEnd)
    t.diagnostic(`${name}: ${seconds} s, ${width} wide`)
    assert.ok(Math.abs(seconds - files[0].durationMs / 1000) < 0.1 && seconds > 3, `${seconds} of ${files[0].durationMs} ms`)
    assert.ok(seconds - at < 0.1 && width > 0)
  }
})

test('a WebM that is cut off plays to within a second of the end, and the next start finishes it', async t => {
  const directory = directoryOf(t)
  const how = { set: { 'sfu.video_codecs': '["VP8"]' }, options: { format: 'webm' } }
  for (let round = 0; round < 2; round++) {
    const { seconds, torn, finished } = await killed(directory, 2000 + Math.random() * 3000, how)
    t.diagnostic(`round ${round}: ${seconds.toFixed(2)} s long, ${torn.lost.toFixed(3)} s lost`)
    assert.ok(torn.lost < 1 && finished.lost < 1, `${torn.lost} and ${finished.lost} s are lost`)
    assert.equal(torn.complaints + finished.complaints, '')
    assert.ok(finished.finished && finished.durationMs > 1000)
  }
})

test('when the disk takes no more the leg says so, the call goes on, and what was written plays', async t => {
  const directory = directoryOf(t)
  const call = await Call.start({ set: { 'record.directory': directory }, within: ['prlimit', '--fsize=120000'] })
  t.after(() => call.stop())
  const people = await call.people(2)
  await call.everybodySees(people)
  await people[0].lab('startLeg', { kind: 'record' })
  const failed = await until('the recording to fail', async () =>
    (await people[1].events()).find(({ name, leg }) => name === 'leg-changed' && leg.state === 'failed')?.leg,
  )
  assert.match(failed.reason, /File too large/)
  await call.everybodySees(people)
  assert.deepEqual((await call.server.api('/rooms/lab')).legs, [])
  const files = filesIn(directory)
  assert.equal(files.length, 2)
  for (const file of files) {
    assert.ok(times(file, 'a').length > 50, file)
    assert.equal(complaints(file), '', file)
  }
})

test('a recording that ends with the server is finished, and told of before the server is gone', async t => {
  const [directory, webhooks] = [directoryOf(t), directoryOf(t)]
  const call = await Call.start({
    set: {
      'record.directory': directory,
      // Nobody takes them: what was told stays on disk.
      'webhooks.urls': "['http://127.0.0.1:1/']",
      'webhooks.secret': 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=',
      'webhooks.allow_private': true,
      'webhooks.directory': webhooks,
    },
  })
  t.after(() => call.stop())
  const ann = await call.participant()
  await ann.join()
  await record(call, ann)
  await until('something to be written', () => filesIn(directory).length > 0)
  const events = await fetch(`${call.server.http}/api/v1/events?room=lab`)
  assert.equal(await call.server.stop(), 0)

  const ready = '"type":"recording-ready"'
  assert.ok((await events.text()).includes(ready), 'readers of events are told')
  const waiting = readdirSync(webhooks, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const texts = waiting.map(({ parentPath, path, name }) => readFileSync(join(parentPath ?? path, name), 'utf8'))
  assert.ok(texts.some(text => text.includes(ready)), `webhooks are told: ${texts.join('\n')}`)
  assert.deepEqual(filesIn(directory).map(complaints), [''])
})
