// The call page shows, on each picture, which way it comes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launch } from '../lab/browsers.mjs'
import { until } from '../lab/call.mjs'
import { fakeDevices, moving, openPage } from '../lab/pages.mjs'
import { startServer } from '../lab/server.mjs'

/** As where nothing else gets through. */
function relaysOnly() {
  const Native = window.RTCPeerConnection
  window.RTCPeerConnection = class extends Native {
    constructor(config) {
      super({ ...config, iceTransportPolicy: 'relay' })
    }
  }
}

const badge = page =>
  page.evaluate(() => {
    const tiles = [...document.querySelectorAll('.tile[data-path]')]
    return tiles.map(tile => [tile.dataset.path, tile.querySelector('.tile-path').textContent]).join(' ')
  })

for (const [path, word, set, before] of [
  ['direct', 'Direct', {}],
  ['relayed', 'Relayed', {}, relaysOnly],
  ['server', 'Server', { 'room.mesh_limit': 1 }],
]) {
  test(`a picture that comes ${path === 'server' ? 'through the server' : path} says so`, async t => {
    const server = await startServer(set)
    t.after(() => server.stop())
    const browser = await launch('chromium', { more: fakeDevices })
    t.after(() => browser.close())
    const people = ['Ann', 'Ben'].map(name => openPage(browser, `${server.http}/r/lab?auto=1&name=${name}`, before))
    for (const page of await Promise.all(people)) {
      await until('the other one to be seen', async () => (await moving(page)) > 0)
      await until(`the badge to say ${path}`, async () => (await badge(page)) === `${path},${word}`)
    }
    const { mode } = await server.api('/rooms/lab')
    assert.equal(mode, path === 'server' ? 'sfu' : 'mesh')
  })
}
