// The pages over https, signaling over wss, all on one port.
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { test } from 'node:test'
import { connect } from 'node:tls'
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

/** The fingerprint of the certificate that is shown to who connects now. */
const shown = address =>
  new Promise((resolve, reject) => {
    const [host, port] = address.split(':')
    const socket = connect({ host, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    }).on('error', reject)
  })

// What runs in a page ahead of its scripts: how many sockets and connections it ever opened.
function count() {
  window.opened = { sockets: 0, connections: 0 }
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args)
      window.opened.sockets++
    }
  }
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args) {
      super(...args)
      window.opened.connections++
    }
  }
}

for (const [mode, limit] of [['mesh', 4], ['sfu', 1]]) {
  test(`a call over ${mode} goes on while the certificate is another`, async t => {
    const [certificate, key] = selfSigned(t, '127.0.0.1')
    const set = { 'tls.listen': '127.0.0.1:0', 'tls.cert': certificate, 'tls.key': key, 'room.mesh_limit': limit }
    const server = await startServer(set)
    t.after(() => server.stop())
    const browser = await launch('chromium', { more: ['--ignore-certificate-errors', ...fakeDevices] })
    t.after(() => browser.close())
    const url = name => `https://${server.bound.https}/r/lab?auto=1&name=${name}`
    const people = await Promise.all(['Ann', 'Ben'].map(name => openPage(browser, url(name), count)))
    const everybodySees = () =>
      Promise.all(people.map(page => until('the other one to be seen', async () => (await moving(page)) > 0)))
    const opened = () => Promise.all(people.map(page => page.evaluate(() => window.opened)))
    await everybodySees()
    await until(`the room to be on ${mode}`, async () => (await server.api('/rooms/lab')).mode === mode)

    const [before, first] = [await opened(), await shown(server.bound.https)]
    const [renewed, itsKey] = selfSigned(t, '127.0.0.1')
    copyFileSync(itsKey, key)
    copyFileSync(renewed, certificate)
    server.child.kill('SIGHUP')
    await until('the new certificate to be shown', async () => (await shown(server.bound.https)) !== first)
    await everybodySees()
    assert.deepEqual(await opened(), before, 'nothing was opened anew')
    assert.ok(before.every(({ sockets, connections }) => sockets === 1 && connections > 0))
  })
}
