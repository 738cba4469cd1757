// Real browsers. Each participant gets a window of its own: a second headless tab is hidden and shows nothing.
import { existsSync } from 'node:fs'
import puppeteer from 'puppeteer-core'

const onPath = name => process.env.PATH.split(':').map(dir => `${dir}/${name}`).find(file => existsSync(file))
const SIZE = { width: 660, height: 400 }
/** How long one call into a page may take, ms. */
const PATIENCE = 120_000

const chromiumArguments = [
  '--no-sandbox',
  '--disable-gpu',
  '--autoplay-policy=no-user-gesture-required',
  // Host candidates carry addresses, not mDNS names that nobody here resolves.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
  '--no-proxy-server',
]

/** What puppeteer gives Chromium to keep hidden tabs as fast as visible ones. */
const unthrottled = [
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
]

/**
 * `which`: chromium or firefox. `sound`: environment of a sound server, when what is played is to be heard. `throttled`:
 * hidden tabs are throttled as they are on a person's machine. `more`: further arguments for Chromium.
 */
export async function launch(which, { sound, throttled = false, more = [] } = {}) {
  const env = { ...process.env, ...sound }
  const browser =
    which === 'firefox'
      ? await puppeteer.launch({
          browser: 'firefox',
          executablePath: process.env.FIREFOX ?? onPath('firefox-esr') ?? onPath('firefox'),
          headless: true,
          env,
          protocolTimeout: PATIENCE,
          extraPrefsFirefox: {
            'media.autoplay.default': 0,
            'media.autoplay.blocking_policy': 0,
            'media.peerconnection.ice.obfuscate_host_addresses': false,
          },
        })
      : await puppeteer.launch({
          executablePath: process.env.CHROMIUM ?? onPath('chromium'),
          headless: true,
          pipe: true,
          env,
          protocolTimeout: PATIENCE,
          defaultViewport: null,
          args: [...chromiumArguments, ...more],
          ignoreDefaultArgs: [...(sound ? ['--mute-audio'] : []), ...(throttled ? unthrottled : [])],
        })
  return browser
}

/** A window at `url`, ready when the page has set window.lab. What its scripts throw is printed. */
export async function openWindow(browser, url) {
  const page = await browser.newPage({ type: 'window', windowBounds: SIZE })
  page.on('pageerror', error => console.error(`page: ${error.stack ?? error}`))
  page.on('console', line => process.env.VERBOSE && console.error(`console: ${line.text()}`))
  await page.goto(url)
  await page.waitForFunction('window.lab !== undefined')
  return page
}
