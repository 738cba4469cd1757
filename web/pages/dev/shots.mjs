// Pictures of the pages with a room that lives in the page, and what axe-core and the console say about each.
// From web/: npx vite build --config vite.config.ts --mode fake && node pages/dev/shots.mjs [DIRECTORY] [FILTER]
// AXE names an axe.min.js; without it only pictures are taken.
import { mkdirSync, readFileSync } from 'node:fs'
import puppeteer from 'puppeteer-core'
import { preview } from 'vite'

const [directory = 'shots', filter = ''] = process.argv.slice(2)
const axe = process.env.AXE && readFileSync(process.env.AXE, 'utf8')

const LOOKS = {
  dark: { width: 1280, height: 800, scheme: 'dark' },
  light: { width: 1280, height: 800, scheme: 'light' },
  phone: { width: 390, height: 844, scheme: 'light', mobile: true },
  lying: { width: 844, height: 390, scheme: 'dark', mobile: true },
  'phone-dark': { width: 390, height: 844, scheme: 'dark', mobile: true },
}

const click = (selector) => async (page) => {
  await page.click(selector)
  await new Promise((resolve) => setTimeout(resolve, 400))
}

const SHOTS = [
  ['home', '/', ['dark', 'light', 'phone']],
  ['home-problem', '/', ['light'], async (page) => void (await page.type('#room', 'Monday stand-up!'))],
  ['before', '/r/design-review', ['dark', 'light', 'phone']],
  ['call-1', '/r/design-review?auto=1&name=Robin&people=0', ['light', 'phone']],
  ['call-2', '/r/design-review?auto=1&name=Robin&people=1', ['dark', 'phone']],
  ['call-4', '/r/design-review?auto=1&name=Robin&people=3', ['dark', 'light', 'phone', 'lying']],
  [
    'call-6',
    '/r/design-review?auto=1&name=Robin&people=5&leg=running&away=1',
    ['dark', 'light', 'phone-dark'],
  ],
  ['call-13', '/r/design-review?auto=1&name=Robin&people=12&mode=promoting', ['light', 'phone']],
  ['call-share', '/r/design-review?auto=1&name=Robin&people=5&share=1', ['dark', 'phone']],
  ['call-chat', '/r/design-review?auto=1&name=Robin&people=3&chat=1', ['light', 'phone'], click('#chat')],
  ['call-people', '/r/design-review?auto=1&name=Robin&people=6', ['dark'], click('#people')],
  [
    'call-live',
    '/r/design-review?auto=1&name=Robin&people=2&leg=running',
    ['light'],
    click('#leg-hls-button'),
  ],
  [
    'call-waiting',
    '/r/design-review?auto=1&name=Robin&people=2&leg=waiting',
    ['dark'],
    click('#leg-hls-button'),
  ],
  ['call-go-live', '/r/design-review?auto=1&name=Robin&people=2', ['light'], click('#leg-hls-button')],
  [
    'call-devices',
    '/r/design-review?auto=1&name=Robin&people=2',
    ['dark', 'lying'],
    click('#settings-button'),
  ],
  [
    'call-help',
    '/r/design-review?auto=1&name=Robin&people=2',
    ['light'],
    async (page) => void (await page.keyboard.press('?')),
  ],
  ['call-more', '/r/design-review?auto=1&name=Robin&people=2', ['phone'], click('#more')],
  ['call-lost', '/r/design-review?auto=1&name=Robin&people=2&lost=1', ['light'], click('#microphone')],
  [
    'call-hover',
    '/r/design-review?auto=1&name=Robin&people=3',
    ['light'],
    async (page) => void (await page.hover('[data-participant=p1]')),
  ],
  ['call-fail', '/r/design-review?auto=1&name=Robin&fail=sfu-unreachable', ['dark', 'phone']],
  ['call-left', '/r/design-review?auto=1&name=Robin', ['light'], click('#leave')],
  ['call-bad', '/r/not%20a%20room', ['light']],
  ['watch-wait', '/watch/design-review', ['dark', 'phone']],
  ['notfound', '/notfound.html', ['dark', 'light']],
]

mkdirSync(directory, { recursive: true })
const server = await preview({
  configFile: 'vite.config.ts',
  mode: 'fake',
  preview: { port: 0, host: '127.0.0.1' },
  logLevel: 'error',
})
const address = `http://127.0.0.1:${server.httpServer.address().port}`
const browser = await puppeteer.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    '--autoplay-policy=no-user-gesture-required',
  ],
})
let wrong = 0
const complain = (shot, text) => {
  wrong += 1
  console.log(`${shot}: ${text}`)
}
for (const [name, path, looks, act] of SHOTS) {
  for (const look of looks) {
    const shot = `${name}-${look}`
    if (!shot.includes(filter)) continue
    const { width, height, scheme, mobile = false } = LOOKS[look]
    const context = await browser.createBrowserContext()
    const page = await context.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('404')) complain(shot, message.text())
    })
    page.on('pageerror', (error) => complain(shot, error))
    await page.setViewport({
      width,
      height,
      isMobile: mobile,
      hasTouch: mobile,
      deviceScaleFactor: mobile ? 2 : 1,
    })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    await page.goto(address + path)
    await new Promise((resolve) => setTimeout(resolve, 2200))
    await act?.(page)
    await new Promise((resolve) => setTimeout(resolve, 300))
    await page.screenshot({ path: `${directory}/${shot}.png` })
    if (axe) {
      // The policy lets no script in, not even this one: it is put in by the debugger.
      await page.evaluate(axe)
      const { violations } = await page.evaluate(() => globalThis.axe.run())
      for (const { id, help, nodes } of violations)
        complain(shot, `${id}: ${help}\n  ${nodes.map((node) => node.html.slice(0, 160)).join('\n  ')}`)
    }
    await context.close()
  }
}
await browser.close()
await server.close()
console.log(wrong === 0 ? 'nothing to complain about' : `${wrong} complaints`)
process.exitCode = wrong === 0 ? 0 : 1
