// A call over the small internet: the server on its machine, each participant on one behind a NAT.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { App } from './antmedia.mjs'
import { Participant, until } from './call.mjs'
import { Internet, SERVER } from './nat.mjs'
import { startServer } from './server.mjs'

const client = fileURLToPath(new URL('nat-client.mjs', import.meta.url))
const ask = 'console.log(await (await fetch(process.argv[1])).text())'
const portOf = address => Number(address.split(':').at(-1))

export class NatCall {
  people = []
  apps = []

  /** `set`: configuration of the server. Everything goes with the test. */
  static async start(t, set = {}) {
    const call = new NatCall()
    call.internet = new Internet()
    t.after(() => call.#stop())
    const listen = { 'http.listen': '0.0.0.0:0', 'sfu.listen': `${SERVER}:0`, 'turn.listen': `${SERVER}:0` }
    call.server = await startServer({ ...listen, ...set }, { within: call.internet.server })
    call.port = portOf(call.server.bound.http)
    call.media = portOf(call.server.bound.media[0])
    call.http = `http://${SERVER}:${call.port}`
    call.server.ws = `ws://${SERVER}:${call.port}`
    return call
  }

  /** Somebody in front of `browser` on a machine; `within` is from `internet.client`. */
  async person(within, { browser = 'chromium' } = {}) {
    const person = new Remote(this, within, browser, this.people.length)
    this.people.push(person)
    await person.page.ready
    return person
  }

  /** An app on Ant Media's SDK in Chromium on a machine, its socket open. */
  async app(within, { play = false } = {}) {
    const number = this.apps.length
    const app = new RemoteApp(new Page(this, `app-${number}`, within, 'chromium', 'antmedia.html'))
    this.apps.push(app)
    await app.page.ready
    await app.lab('open', { url: `${this.server.ws}/live/websocket`, number, play, relayed: true })
    return app
  }

  /** All of them, in the order in which they were made. */
  async join() {
    for (const person of this.people) await person.join()
  }

  async everybodySees() {
    for (const person of this.people) await person.sees(this.people.filter(other => other !== person))
  }

  /** The room as the API shows it, which answers the server's own machine only. */
  async room() {
    const url = `http://127.0.0.1:${this.port}/api/v1/rooms/lab`
    const [command, ...args] = [...this.internet.server, process.execPath, '--input-type=module', '-e', ask, url]
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', data => (text += data))
    await once(child, 'close')
    return JSON.parse(text)
  }

  async #stop() {
    await Promise.all([...this.people, ...this.apps].map(one => one.close()))
    await this.server?.stop()
    this.internet.remove()
  }
}

/** A page in another process, and that on another machine. */
class Page {
  #child
  #asked = new Map()
  #last = 0

  constructor(call, name, within, browser, page = '') {
    const [command, ...args] = [...within, process.execPath, client, call.http, browser, page]
    this.name = name
    this.#child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.ready = new Promise((resolve, reject) => {
      this.#child.on('message', message => (message.ready ? resolve() : this.#answer(message)))
      this.#child.on('exit', code => {
        const gone = new Error(`${name}: its process ended with ${code}`)
        reject(gone)
        for (const { reject } of this.#asked.values()) reject(gone)
      })
    })
  }

  /** Calls a function of window.lab. */
  lab(name, ...args) {
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.#child.send({ id, name, args })
    })
  }

  /** The connections that stand: see `ways` of the harness. */
  ways() {
    return until(`${this.name} to be connected`, async () => {
      const ways = await this.lab('ways')
      return ways.length > 0 && ways
    })
  }

  async close() {
    this.ready.catch(() => {})
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    if (this.#child.connected) this.#child.disconnect()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(late)
  }

  #answer({ id, value, error }) {
    const { resolve, reject } = this.#asked.get(id)
    this.#asked.delete(id)
    if (error) reject(new Error(`${this.name}: ${error}`))
    else resolve(value)
  }
}

/** A participant on a machine of its own. */
class Remote extends Participant {
  constructor(call, within, browser, number) {
    // Sound needs a device to be played on, which these machines have not.
    super(call, undefined, number, { tone: false })
    this.page = new Page(call, this.name, within, browser)
  }

  lab(name, ...args) {
    return this.page.lab(name, ...args)
  }

  ways() {
    return this.page.ways()
  }

  close() {
    return this.page.close()
  }
}

/** An app on Ant Media's SDK, on a machine of its own. */
class RemoteApp extends App {
  lab(name, ...args) {
    return this.page.lab(name, ...args)
  }

  events() {
    return this.lab('told')
  }

  ways() {
    return this.page.ways()
  }
}
