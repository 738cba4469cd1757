// Apps on Ant Media's SDK, unmodified, in real Chromium.
import { until } from './call.mjs'
import { openWindow } from './browsers.mjs'

/** A window with the SDK and a socket of its own. */
export async function openApp(call, { app = 'live', play = false } = {}) {
  const browser = await call.browser('chromium')
  const page = await openWindow(browser, new URL('/lab/antmedia.html', call.site.url).href)
  const number = (call.apps = (call.apps ?? 0) + 1)
  const opened = new App(page, `${call.server.ws}/${app}/websocket`)
  await opened.lab('open', { url: opened.url, number, play })
  return opened
}

export class App {
  constructor(page, url) {
    Object.assign(this, { page, url })
  }

  /** Calls a function of window.lab. */
  lab(name, ...args) {
    return this.page.evaluate((name, args) => window.lab[name](...args), name, args)
  }

  /** Calls a method of the adaptor. */
  call(name, ...args) {
    return this.lab('call', name, ...args)
  }

  /** What it was told so far: [{ name, detail }]. */
  events() {
    return this.page.evaluate(() => window.lab.events)
  }

  async errors() {
    return (await this.events()).filter(({ name }) => name === 'error').map(({ detail }) => detail.definition)
  }

  /** Waits for a notification, and gives its fields. */
  told(name, which = () => true) {
    return until(`${name} to be told`, async () =>
      (await this.events()).find(event => event.name === name && which(event.detail)),
    ).then(({ detail }) => detail)
  }

  /** Waits for an error, and gives its fields. */
  refused(definition) {
    return this.told('error', detail => detail.definition === definition)
  }

  /** Waits until `count` remote pictures move: more frames of each are decoded than before. */
  async sees(count, which = () => true) {
    const live = async () =>
      (await this.lab('received')).filter(track => track.kind === 'video' && !track.ended && which(track))
    const before = new Map((await live()).map(track => [`${track.streamId} ${track.trackId}`, track.frames]))
    return until(`${count} remote pictures to move`, async () => {
      const moving = (await live()).filter(
        track => track.frames > (before.get(`${track.streamId} ${track.trackId}`) ?? 0) + 3,
      )
      return moving.length === count && moving
    })
  }

  /** Waits until the data channel of a connection is open. */
  channel(id) {
    return this.told('data_channel_opened', ({ value }) => value === id)
  }

  /** Waits for a message on the data channel of a connection. */
  heard(id, data) {
    const same = detail => detail.streamId === id && JSON.stringify(detail.data) === JSON.stringify(data)
    return this.told('data_received', same)
  }

  close() {
    return this.page.close()
  }
}
