// The pages over https, signaling over wss, all on one port.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launch } from '../lab/browsers.mjs'
import { until } from '../lab/call.mjs'
import { selfSigned } from '../lab/certificate.mjs'
import { startServer } from '../lab/server.mjs'

/** Opens the call page as somebody does who follows a link, and joins. */
async function person(browser, origin, name) {
  const page = await browser.newPage({ type: 'window' })
  page.on('pageerror', error => console.error(`call page: ${error.stack ?? error}`))
  await page.goto(`${origin}/r/lab?auto=1&name=${name}`)
  return page
}

/** How many of the others' pictures move on this page. */
const moving = page =>
  page.evaluate(async () => {
    const others = [...(window.crescendo.room?.participants.keys() ?? [])]
    const videos = others.flatMap(id => [...document.querySelectorAll(`[data-participant="${id}"] video`)])
    const frames = () => videos.map(video => video.getVideoPlaybackQuality().totalVideoFrames)
    const before = frames()
    await new Promise(done => setTimeout(done, 500))
    return frames().filter((now, i) => now > before[i]).length
  })

test('two people talk on the pages over https and wss', async t => {
  const [certificate, key] = selfSigned(t, '127.0.0.1')
  const set = { 'tls.listen': '127.0.0.1:0', 'tls.cert': certificate, 'tls.key': key }
  const server = await startServer(set)
  t.after(() => server.stop())
  const origin = `https://${server.bound.https}`
  const browser = await launch('chromium', {
    more: ['--ignore-certificate-errors', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'],
  })
  t.after(() => browser.close())
  const [ann, ben] = [await person(browser, origin, 'Ann'), await person(browser, origin, 'Ben')]
  for (const page of [ann, ben]) {
    assert.ok(await page.evaluate(() => isSecureContext))
    await until('the other one to be seen', async () => (await moving(page)) > 0)
  }
  const names = (await server.api('/rooms/lab')).participants.map(({ name }) => name)
  assert.deepEqual(names.sort(), ['Ann', 'Ben'])
  const metrics = await server.metrics()
  const secure = Number(metrics.match(/^crescendo_connections\{kind="https"\} (\d+)/m)?.[1])
  assert.ok(secure >= 2, `the two sockets at least: ${secure}`)
})
