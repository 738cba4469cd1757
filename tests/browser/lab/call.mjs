// A call: a server, its site, browsers, and participants who come and go.
import { setTimeout as sleep } from 'node:timers/promises'
import { ageOf } from '../page/picture.js'
import { launch, openWindow } from './browsers.mjs'
import { inspect } from './seen.mjs'
import { startServer } from './server.mjs'
import { startSite } from './site.mjs'

/** Nothing that the lab waits for takes this long, unless it is broken; ms. */
export const PATIENCE = 30_000

/** Tone of participant `number`, Hz. */
export const toneOf = number => 600 + 400 * number

/** Waits until `look` gives something true, and gives that; `what` is said when it does not come. */
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited ${patience} ms for ${what}`)
    await sleep(50)
  }
}

export class Call {
  #browsers = new Map()
  #launch
  participants = []

  /**
   * `set`: configuration of the server; `within`: a command that runs it. `sound`: a sound server that the listeners are
   * recorded from. `throttled`: hidden tabs get as little time as they do on a person's machine.
   */
  static async start({ set, within, sound, throttled } = {}) {
    const call = new Call()
    call.#launch = { sound: sound?.env, throttled }
    call.server = await startServer(set, { within })
    call.site = await startSite(call.server.http)
    return call
  }

  async browser(which = 'chromium') {
    if (!this.#browsers.has(which)) this.#browsers.set(which, launch(which, this.#launch))
    return this.#browsers.get(which)
  }

  /** A window with the harness in it, in no room so far. */
  async participant({ browser = 'chromium', number = this.participants.length, ...options } = {}) {
    const page = await openWindow(await this.browser(browser), this.site.url)
    const participant = new Participant(this, page, number, options)
    this.participants.push(participant)
    return participant
  }

  /** `count` participants, all in `room`. */
  async people(count, options = {}) {
    const people = []
    for (let i = 0; i < count; i++) people.push(await this.participant(options))
    for (const person of people) await person.join()
    return people
  }

  /** Everybody's pictures move on everybody's screen. */
  async everybodySees(people, patience = PATIENCE) {
    for (const person of people) await person.sees(people.filter(other => other !== person), patience)
  }

  async mode(room = 'lab') {
    return (await this.server.api(`/rooms/${room}`)).mode
  }

  async reaches(mode, { room = 'lab', patience = PATIENCE } = {}) {
    await until(`the room to be in mode ${mode}`, async () => (await this.mode(room)) === mode, patience)
  }

  async stop() {
    await Promise.all([...this.#browsers.values()].map(async launched => (await launched).close()))
    await this.server?.stop()
    await this.site?.stop()
  }
}

export class Participant {
  constructor(call, page, number, options = {}) {
    const { listen = false, tone = true, video = true, room = 'lab', scale = 1, hard = false, encryption, library } = options
    Object.assign(this, { call, page, number, listen, tone, video, room, scale, hard, encryption, library, name: `lab-${number}` })
  }

  /** Calls a function of window.lab. */
  lab(name, ...args) {
    return this.page.evaluate((name, args) => window.lab[name](...args), name, args)
  }

  join() {
    const tone = this.tone ? toneOf(this.number) : 0
    const { number, room, video, listen, scale, hard, encryption, library } = this
    return this.lab('join', { url: this.call.server.ws, room, number, tone, video, listen, scale, hard, encryption, library })
  }

  leave() {
    return this.lab('leave')
  }

  /** Another tab comes to the front of this one's window. */
  async hide() {
    await this.page.evaluate(() => void window.open('about:blank', '_blank'))
    await until(`${this.name} to be hidden`, () => this.page.evaluate(() => document.visibilityState === 'hidden'))
  }

  mode() {
    return this.lab('mode')
  }

  /** Events of its Room so far: [{ at, name, … }]. */
  events() {
    return this.lab('events')
  }

  record(since) {
    return this.lab('record', since)
  }

  /** Waits for at least three new pictures of each of `others`, one of them young. */
  async sees(others, patience = PATIENCE) {
    const since = Date.now()
    await until(
      `${this.name} to see ${others.map(other => other.name).join(', ')}`,
      async () => {
        const { tiles, now } = await this.record(since)
        return others.every(({ name }) => {
          const runs = tiles[name]?.runs ?? []
          return inspect(runs, since, now).pictures >= 3 && ageOf(Math.max(runs.at(-1)[1], 0), now) < 2000
        })
      },
      patience,
    )
  }
}
