// The server's own pages, as somebody uses them who follows a link.

/** Arguments for Chromium: a camera and a microphone that nobody has to allow. */
export const fakeDevices = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream']

/** A window at `url`. What its scripts throw is printed. `before` runs in it ahead of them. */
export async function openPage(browser, url, before) {
  const page = await browser.newPage({ type: 'window' })
  if (before) await page.evaluateOnNewDocument(before)
  page.on('pageerror', error => console.error(`page: ${error.stack ?? error}`))
  await page.goto(url)
  return page
}

/** How many of the others' pictures move on this page. */
export const moving = page =>
  page.evaluate(async () => {
    const others = [...(window.crescendo.room?.participants.keys() ?? [])]
    const videos = others.flatMap(id => [...document.querySelectorAll(`[data-participant="${id}"] video`)])
    const frames = () => videos.map(video => video.getVideoPlaybackQuality().totalVideoFrames)
    const before = frames()
    await new Promise(done => setTimeout(done, 500))
    return frames().filter((now, i) => now > before[i]).length
  })
