// The operators' page, as somebody uses it.
import { until } from './call.mjs'

/** What the page shows now, as text. */
export class Board {
  constructor(page) {
    this.page = page
  }

  static async open(browser, server, { hash = '', size = { width: 1280, height: 960 } } = {}) {
    const page = await browser.newPage({ type: 'window', windowBounds: size })
    page.on('pageerror', error => console.error(`admin: ${error.stack ?? error}`))
    const refused = []
    page.on('console', line => /Content Security Policy/i.test(line.text()) && refused.push(line.text()))
    await page.goto(`${server.http}/admin${hash}`)
    return Object.assign(new Board(page), { refused })
  }

  /** Text of all elements that match. */
  texts(selector) {
    return this.page.$$eval(selector, elements => elements.filter(e => e.checkVisibility()).map(e => e.textContent))
  }

  async text(selector) {
    return (await this.texts(selector))[0]
  }

  /** Waits until the first text there is like `wanted`. */
  shows(selector, wanted) {
    return until(`${selector} to show ${wanted}`, async () => (await this.texts(selector)).some(text => wanted.test(text)))
  }

  /** The rows of the table of people, by name: { paths, sends, receives }. */
  async people() {
    const rows = await this.page.$$eval('tr[data-participant]', rows =>
      rows.map(row => {
        const text = selector => [...row.querySelectorAll(selector)].map(e => e.textContent)
        const [sends, receives] = text('.rate-kbps')
        const plots = [...row.querySelectorAll('.spark path')].map(path => path.getAttribute('d') ?? '')
        return [text('.person-name')[0], { id: row.dataset.participant, paths: text('.path'), sends, receives, plots }]
      }),
    )
    return Object.fromEntries(rows)
  }

  /** Presses a button, and says yes if it is asked. */
  async press(selector, { sure = false } = {}) {
    await this.page.locator(selector).click()
    if (sure) {
      await this.page.waitForSelector('dialog[open]')
      await this.page.locator('#ask-yes').click()
    }
  }
}
