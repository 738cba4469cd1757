// node nat-client.mjs SERVER BROWSER [PAGE]: runs on a client's machine. It opens a page of the harness, which a site of its own
// serves on loopback, as a page on localhost may use what one of a bare address may not; and passes on what it is asked by its parent.
import { launch, openWindow } from './browsers.mjs'
import { startSite } from './site.mjs'

const [server, which, name = ''] = process.argv.slice(2)
const site = await startSite(server)
// Certificates of the lab are vouched for by nobody.
const browser = await launch(which, { more: ['--ignore-certificate-errors'] })

async function end() {
  await browser.close().catch(() => {})
  process.exit()
}
process.on('disconnect', end)
process.on('SIGTERM', end)

const page = await openWindow(browser, new URL(name, site.url).href)
process.on('message', async ({ id, name, args }) => {
  try {
    const value = await page.evaluate((name, args) => window.lab[name](...args), name, args)
    process.send({ id, value })
  } catch (error) {
    process.send({ id, error: error.message })
  }
})
process.send({ ready: true })
