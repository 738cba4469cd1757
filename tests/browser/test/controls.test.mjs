// What is chosen on the call page is what starts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launch } from '../lab/browsers.mjs'
import { until } from '../lab/call.mjs'
import { fakeDevices, openPage } from '../lab/pages.mjs'
import { startServer } from '../lab/server.mjs'

test('a broadcast in two sizes is started by its buttons', async t => {
  const server = await startServer()
  t.after(() => server.stop())
  const browser = await launch('chromium', { more: fakeDevices })
  t.after(() => browser.close())
  const page = await openPage(browser, `${server.http}/r/lab?auto=1&name=Ann`)
  await until('the controls', () => page.evaluate(() => document.querySelector('#leg-hls-button') !== null))

  /** Picks the option of this name, then starts; what may be chosen is told before. */
  const start = (kind, name) =>
    page.evaluate(
      (kind, name) => {
        const pop = document.querySelector(`#leg-${kind}`)
        document.querySelector(`#leg-${kind}-button`).click()
        const select = pop.querySelector('[data-leg-more]')
        const names = [...select.options].map(option => option.textContent)
        select.selectedIndex = names.indexOf(name)
        pop.querySelector('[data-leg-action=start]').click()
        return names
      },
      kind,
      name,
    )
  const small = 'A small one as well, for slow connections'
  assert.deepEqual(await start('hls', small), ['As it is sent', small])
  await until('the broadcast in two sizes', async () => {
    const answer = await fetch(`${server.http}/hls/lab/index.m3u8`)
    return answer.ok && (await answer.text()).match(/#EXT-X-STREAM-INF/g)?.length === 2
  })
  const { legs } = await server.api('/rooms/lab')
  assert.deepEqual(legs.map(({ kind, ladder }) => [kind, ladder]), [['hls', [720, 240]]])
})
