// A broadcast of everybody in one picture, started from the call page of one of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Call, until } from '../lab/call.mjs'
import { launch } from '../lab/browsers.mjs'

/** Luma of what a video shows within each of these parts of it, as [mean, standard deviation]; parts are [x, y, width, height] of 1. */
const look = (page, parts) =>
  page.evaluate(parts => {
    const video = document.querySelector('video')
    const canvas = new OffscreenCanvas(640, 360)
    const context = canvas.getContext('2d')
    context.drawImage(video, 0, 0, canvas.width, canvas.height)
    return parts.map(([x, y, width, height]) => {
      const { data } = context.getImageData(x * canvas.width, y * canvas.height, width * canvas.width, height * canvas.height)
      const luma = Array.from({ length: data.length / 4 }, (_, i) => 0.2126 * data[4 * i] + 0.7152 * data[4 * i + 1] + 0.0722 * data[4 * i + 2])
      const mean = luma.reduce((sum, one) => sum + one, 0) / luma.length
      return [mean, Math.sqrt(luma.reduce((sum, one) => sum + (one - mean) ** 2, 0) / luma.length)]
    })
  }, parts)

/** The upper part of each quarter: without the name in the middle of a card, or at the bottom of a picture. */
const quarters = [[0, 0], [0.5, 0], [0, 0.5], [0.5, 0.5]].map(([x, y]) => [x + 0.125, y + 0.02, 0.25, 0.18])

test('everybody in a mesh is in the picture of a broadcast, and who has no camera has a card', async t => {
  const call = await Call.start({ set: { 'room.mesh_limit': 4 } })
  t.after(() => call.stop())
  const people = await call.people(3)
  const silent = await call.participant({ video: false, tone: true })
  await silent.join()
  await call.everybodySees(people)
  const { id: leg } = await people[0].lab('startLeg', { kind: 'hls', layout: 'grid' })
  await until('the broadcast to run', async () => (await call.server.api(`/rooms/lab/legs/${leg}`)).state === 'running', 60_000)
  const view = await call.server.api(`/rooms/lab/legs/${leg}`)
  assert.equal(view.layout, 'grid')
  assert.equal(await call.mode(), 'mesh')

  const viewers = await launch('chromium')
  t.after(() => viewers.close())
  const page = await viewers.newPage({ type: 'window' })
  await page.goto(new URL('/watch/lab', call.site.url).href)
  const seen = await until('three pictures and a card', async () => {
    const parts = await look(page, quarters)
    const [cards, pictures] = [parts.filter(([, spread]) => spread < 4), parts.filter(([, spread]) => spread > 10)]
    return cards.length === 1 && pictures.length === 3 && parts
  }, 60_000)
  t.diagnostic(`luma of the quarters: ${seen.map(([mean, spread]) => `${mean.toFixed(0)} ± ${spread.toFixed(0)}`).join(', ')}`)
  assert.deepEqual(await page.$eval('video', video => [video.videoWidth, video.videoHeight]), [1280, 720])
  await assert.rejects(people[1].lab('startLeg', { kind: 'hls', layout: 'speaker' }), /stop it before/)

  // Two leave: the others get their room.
  await people[2].leave()
  await silent.leave()
  const sides = [[0.125, 0.4, 0.25, 0.15], [0.625, 0.4, 0.25, 0.15]]
  await until('two pictures side by side', async () => {
    const [above] = await look(page, [[0, 0, 1, 0.2]])
    return above[0] < 20 && (await look(page, sides)).every(([, spread]) => spread > 10)
  }, 60_000)
})
