// The API against its own description: Schemathesis makes requests that the description allows and such that it does not, and
// looks whether statuses, bodies, headers and what is refused are as it says. CASES and SEED in the environment for other runs.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startServer } from '../browser/lab/server.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const program = join(root, 'target/tools/schemathesis/bin/schemathesis')
/** Cases at least, of each server. */
const cases = Number(process.env.CASES ?? 300)
const seed = process.env.SEED ?? '1'
const secret = '0123456789abcdef0123456789abcdef'

for (const [name, keys] of [
  ['with keys', { 'access.api_keys': `[{ id = "back", secret = "${secret}" }]` }],
  ['without keys', {}],
]) {
  test(`a server ${name} does what its description says`, async t => {
    const directory = await mkdtemp(join(tmpdir(), 'crescendo-api-'))
    t.after(() => rm(directory, { recursive: true }))
    const server = await startServer({
      ...keys,
      'hls.directory': join(directory, 'broadcasts'),
      'record.directory': join(directory, 'recordings'),
      'webhooks.directory': join(directory, 'webhooks'),
    })
    t.after(() => server.stop())
    const guest = new Guest(server, keys)
    const [code, text] = await run(server)
    guest.leave()
    const made = Number(text.match(/(\d+) generated/)?.[1] ?? 0)
    t.diagnostic(`${made} cases, seed ${seed}`)
    assert.equal(code, 0, text)
    assert.ok(made >= cases, `${made} cases of ${cases}`)
    assert.doesNotMatch(server.log(), /panicked/)

    await empty(server)
    assert.equal(await server.stop(), 0)
  })
}

const headers = { authorization: `Bearer back.${secret}`, 'content-type': 'application/json' }

/** Exit code and output of a run. */
function run(server) {
  // Cases are counted per operation, of which there are 19, and some have few; sequences come on top.
  const perOperation = Math.ceil(cases / 15)
  const args = ['--config-file', join(root, 'tests/api/schemathesis.toml'), 'run', `${server.http}/api/openapi.json`]
  const how = ['--url', server.http, '--seed', seed, '--max-examples', String(perOperation), '--generation-database', 'none']
  const options = {
    cwd: join(root, 'tests/api'),
    env: { ...process.env, API_KEY: `back.${secret}`, NO_COLOR: '1' },
    maxBuffer: 64 << 20,
  }
  return new Promise(done => {
    execFile(program, [...args, ...how], options, (error, out, err) => done([error?.code ?? 0, out + err]))
  })
}

/** Somebody who comes back into the room of the examples whenever it is put out, so that there is something to ask about. */
class Guest {
  #socket
  #over = false

  constructor(server, keys) {
    this.server = server
    this.closed = Object.keys(keys).length > 0
    this.join()
  }

  async join() {
    const token = this.closed ? await this.token() : undefined
    if (this.#over) return
    const tracks = [{ source: 'microphone' }, { source: 'camera' }]
    const socket = (this.#socket = new WebSocket(`${this.server.ws}/signal`))
    socket.onopen = () =>
      socket.send(JSON.stringify({ type: 'join', version: 1, room: 'demo', name: 'Ann', tracks, decodes: ['VP8'], token }))
    // Put out, or its room is full, or nothing was heard of it for a while.
    socket.onclose = () => this.#over || setTimeout(() => this.join(), 100)
  }

  async token() {
    const body = JSON.stringify({ room: 'demo', join: true, publish: true, subscribe: true })
    const answer = await fetch(`${this.server.http}/api/v1/tokens`, { method: 'POST', headers, body })
    return (await answer.json()).token
  }

  leave() {
    this.#over = true
    this.#socket?.close()
  }
}

/** Closes every room, and sees that none is left. */
async function empty({ http }) {
  const rooms = `${http}/api/v1/rooms`
  for (;;) {
    const page = await (await fetch(rooms, { headers })).json()
    if (page.rooms.length === 0) return
    for (const { name } of page.rooms) await fetch(`${rooms}/${name}`, { method: 'DELETE', headers })
  }
}
