// node client/browser-check/run.mjs [chromium|firefox …]: builds page.ts, opens it, prints what was found, fails if anything is amiss.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import puppeteer from 'puppeteer-core'
import { build } from 'vite'

const dir = await mkdtemp(path.join(os.tmpdir(), 'crescendo-check-'))
const entry = new URL('page.ts', import.meta.url).pathname
await build({
  configFile: false,
  logLevel: 'error',
  publicDir: false,
  build: {
    outDir: dir,
    emptyOutDir: true,
    minify: false,
    lib: { entry, formats: ['es'], fileName: () => 'page.js' },
  },
})

const server = http.createServer(async (request, response) => {
  const script = request.url === '/page.js'
  response.setHeader('content-type', script ? 'text/javascript' : 'text/html')
  response.end(
    script
      ? await readFile(path.join(dir, 'page.js'))
      : '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>',
  )
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

const launch = {
  chromium: () =>
    puppeteer.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      protocolTimeout: 300_000,
      ignoreDefaultArgs: ['--mute-audio'],
      args: [
        '--no-sandbox',
        '--autoplay-policy=no-user-gesture-required',
        '--disable-features=WebRtcHideLocalIpsWithMdns',
        '--disable-background-networking',
      ],
    }),
  firefox: () =>
    puppeteer.launch({
      browser: 'firefox',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      protocolTimeout: 300_000,
      extraPrefsFirefox: {
        'media.peerconnection.ice.loopback': true,
        'media.peerconnection.ice.obfuscate_host_addresses': false,
        'media.autoplay.default': 0,
      },
    }),
}

let wrong = 0
for (const name of process.argv.length > 2 ? process.argv.slice(2) : ['chromium', 'firefox']) {
  const browser = await launch[name]()
  try {
    const page = await browser.newPage()
    page.on('pageerror', (error) => (wrong++, console.log(name, 'page error:', error.message)))
    page.on('console', (message) => console.log(name, 'console:', message.text()))
    let front
    await page.exposeFunction('hide', async () => {
      front = await browser.newPage()
      await front.bringToFront()
    })
    await page.exposeFunction('unhide', () => front.close().then(() => page.bringToFront()))
    await page.goto(`http://127.0.0.1:${server.address().port}/?swaps=${process.env.SWAPS ?? 4}`)
    await page.waitForFunction('window.run')
    for (const { at, name: what, ok, detail } of await page.evaluate('window.run()')) {
      if (!ok) wrong++
      const verdict = ok ? 'ok   ' : 'WRONG'
      const figures = typeof detail === 'string' ? detail : JSON.stringify(detail)
      console.log(name, (at / 1000).toFixed(1).padStart(5), verdict, what, figures)
    }
  } finally {
    await browser.close()
  }
}
server.close()
await rm(dir, { recursive: true })
process.exitCode = wrong === 0 ? 0 : 1
