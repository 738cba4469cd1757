// Publishers by WHIP and players by WHEP, in real browsers.
import { Participant } from './call.mjs'
import { openWindow } from './browsers.mjs'

/** A window that has published nothing and plays nothing so far; on another origin than the server, as apps' pages are. */
export async function openWhip(call, browser, number = 9) {
  const page = await openWindow(await call.browser(browser), new URL('/lab/whip.html', call.site.url).href)
  return new Whip(call, page, number)
}

class Whip extends Participant {
  publish(room = 'lab') {
    return this.lab('publish', { url: `${this.call.server.http}/whip/${room}?name=${this.name}`, number: this.number })
  }

  play({ name, number }, room = 'lab') {
    return this.lab('play', { url: `${this.call.server.http}/whep/${room}?participant=${name}`, name, number })
  }
}
