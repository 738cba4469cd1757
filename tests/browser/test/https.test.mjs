// The pages over https, signaling over wss, all on one port.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launch } from '../lab/browsers.mjs'
import { until } from '../lab/call.mjs'
import { selfSigned } from '../lab/certificate.mjs'
import { fakeDevices, moving, openPage } from '../lab/pages.mjs'
import { startServer } from '../lab/server.mjs'

test('two people talk on the pages over https and wss', async t => {
  const [certificate, key] = selfSigned(t, '127.0.0.1')
  const set = { 'tls.listen': '127.0.0.1:0', 'tls.cert': certificate, 'tls.key': key }
  const server = await startServer(set)
  t.after(() => server.stop())
  const origin = `https://${server.bound.https}`
  const browser = await launch('chromium', {
    more: ['--ignore-certificate-errors', ...fakeDevices],
  })
  t.after(() => browser.close())
  const people = ['Ann', 'Ben'].map(name => openPage(browser, `${origin}/r/lab?auto=1&name=${name}`))
  const [ann, ben] = await Promise.all(people)
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
