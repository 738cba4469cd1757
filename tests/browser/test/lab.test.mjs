// The lab measures what it says: every instrument against a known case, with no server.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch, openWindow } from '../lab/browsers.mjs'
import { inspect } from '../lab/seen.mjs'
import { startSite } from '../lab/site.mjs'
import { level, startSound, steadiness } from '../lab/sound.mjs'
import { ageOf, BLANK, COLUMNS, counterAt, FPS, paint, read, ROWS, STRANGER, steps, TORN } from '../page/picture.js'

test('counters are a clock and go round', () => {
  assert.equal(steps(65535, 0), 1)
  assert.equal(steps(3, 1), -2)
  const now = Date.now()
  assert.ok(Math.abs(ageOf(counterAt(now - 2000), now) - 2000) <= 1000 / FPS)
})

test('a picture says what it shows, and one that is yet to come is torn', () => {
  const cells = []
  const context = {
    canvas: { width: COLUMNS, height: ROWS },
    fillRect(x, y) {
      const light = this.fillStyle === '#fff' ? 255 : 0
      cells.splice((y * COLUMNS + x) * 4, 4, light, light, light, 255)
    },
  }
  const now = Date.now()
  const seen = counter => {
    cells.length = 0
    paint(context, 3, counter)
    return read(cells, 3, now)
  }
  const counter = counterAt(now)
  assert.equal(seen(counter), counter)
  assert.equal(seen((counter + 65536 - 40) % 65536), (counter + 65536 - 40) % 65536)
  assert.equal(seen((counter + 32) % 65536), TORN)
  assert.equal(read(cells, 4, now), STRANGER)
  cells.fill(0)
  assert.equal(read(cells, 3, now), BLANK)
})

test('what is seen is judged by pictures, blanks and steps back', () => {
  const runs = [[0, 5], [66, 6], [133, BLANK], [150, 7], [400, 8], [410, 7], [420, 9]]
  const seen = inspect(runs, 10, 430)
  assert.equal(seen.hold, 250)
  assert.equal(seen.blanks, 1)
  assert.equal(seen.blankMs, 17)
  assert.equal(seen.back, 1)
  assert.equal(inspect(runs, 140, 145).hold, 5)
})

test('a tone that stops or doubles is heard to do so', () => {
  const samples = Float32Array.from({ length: 48000 }, (_, i) => {
    const at = i / 48
    const gain = at > 300 && at < 340 ? 0 : at > 600 && at < 630 ? 2 : 1
    return 0.1 * (gain * Math.sin((2 * Math.PI * 600 * i) / 48000) + Math.sin((2 * Math.PI * 1000 * i) / 48000))
  })
  const broken = steadiness(level(samples, 600), 0, 990)
  assert.ok(Math.abs(broken.usual - 0.1) < 0.01)
  assert.ok(broken.gap > 30 && broken.gap < 45, `gap of ${broken.gap}`)
  assert.ok(broken.double > 20 && broken.double < 35, `double of ${broken.double}`)
  const other = steadiness(level(samples, 1000), 0, 990)
  assert.deepEqual([other.gap, other.double], [0, 0])
})

for (const which of ['chromium', 'firefox']) {
  describe(`${which}: a picture and a tone around one peer connection`, () => {
    let site, sound, browser
    before(async () => {
      site = await startSite()
      sound = await startSound()
      browser = await launch(which, { sound: sound.env })
    })
    after(async () => {
      await browser?.close()
      await sound?.stop()
      await site?.stop()
    })

    test('in two windows at once, seen and heard; a proper swap shows no blank, and a blank is seen', async () => {
      const pages = [await openWindow(browser, `${site.url}loop.html`), await openWindow(browser, `${site.url}loop.html`)]
      await Promise.all(pages.map((page, i) => page.evaluate(o => window.lab.start(o), { number: i, tone: 600 + 400 * i })))
      const recorder = await sound.record()
      const begun = Date.now()
      await sleep(1500)
      for (const page of pages) {
        assert.equal(await page.evaluate(() => window.lab.visible()), 'visible')
        await page.evaluate(() => window.lab.swap())
      }
      await sleep(1500)
      const swapped = Date.now()
      await pages[0].evaluate(() => window.lab.blank(200))
      await sleep(700)
      const { samples } = await recorder.stop()

      const [first, second] = await Promise.all(pages.map(page => page.evaluate(() => window.lab.record())))
      for (const { runs, paths } of [first, second]) {
        const seen = inspect(runs, begun, swapped)
        assert.ok(seen.pictures > 15, `${seen.pictures} pictures in three seconds`)
        assert.deepEqual([seen.blanks, seen.torn, seen.strangers], [0, 0, 0])
        assert.equal(paths.length, 2)
      }
      assert.equal(inspect(first.runs, swapped, swapped + 700).blanks, 1)
      for (const tone of [600, 1000]) {
        const heard = steadiness(level(samples, tone), 500, 2500)
        assert.ok(heard.usual > 0.02, `${tone} Hz at ${heard.usual}`)
      }
      const silent = steadiness(level(samples, 1800), 500, 2500)
      assert.ok(silent.usual < 0.005, `1800 Hz at ${silent.usual}`)
    })
  })
}
