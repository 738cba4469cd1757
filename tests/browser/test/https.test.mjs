// The pages over https, signaling over wss, all on one port.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { launch } from '../lab/browsers.mjs'
import { until } from '../lab/call.mjs'
import { startServer } from '../lab/server.mjs'

/** A certificate that nobody vouches for, gone with the test: [certificate, key]. */
function selfSigned(t) {
  const directory = mkdtempSync(join(tmpdir(), 'crescendo-tls-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const [certificate, key] = ['cert.pem', 'key.pem'].map(name => join(directory, name))
  const options = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=crescendo'.split(' ')
  const where = ['-addext', 'subjectAltName=IP:127.0.0.1', '-out', certificate, '-keyout', key]
  execFileSync('openssl', ['req', ...options, ...where], { stdio: 'ignore' })
  return [certificate, key]
}

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
  const [certificate, key] = selfSigned(t)
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
