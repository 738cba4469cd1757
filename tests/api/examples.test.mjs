// The programs of docs/api.md and docs/webhooks.md, as they stand there, against a real server. A language that is not on this machine is
// passed over, and said.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { createServer as createSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startServer } from '../browser/lab/server.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const apiSecret = '0123456789abcdef0123456789abcdef'
const webhookSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo='

const languages = {
  sh: { file: 'example.sh', command: ['bash', '-eu', '-o', 'pipefail'], there: ['curl', '--version'] },
  ts: { file: 'example.mjs', command: ['node'], there: ['node', '--version'], prepare: withoutTypes },
  python: { file: 'example.py', command: ['python3'], there: ['python3', '--version'] },
  go: { file: 'example.go', command: ['go', 'run'], there: ['go', 'version'] },
}

async function withoutTypes(source) {
  const { transformWithOxc } = await import(createRequire(join(root, 'web/package.json')).resolve('vite'))
  return (await transformWithOxc(source, 'example.ts')).code
}

const headers = { authorization: `Bearer back.${apiSecret}`, 'content-type': 'application/json' }

let directory, hook, server
const delivered = []

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'crescendo-examples-'))
  hook = createServer(async (request, response) => {
    delivered.push({ headers: request.headers, body: Buffer.concat(await request.toArray()) })
    response.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  await once(hook, 'listening')
  server = await startServer({
    'access.api_keys': `[{ id = "back", secret = "${apiSecret}" }]`,
    'webhooks.urls': `['http://127.0.0.1:${hook.address().port}/hook']`,
    'webhooks.secret': webhookSecret,
    'webhooks.allow_private': true,
    'webhooks.directory': join(directory, 'webhooks'),
    'record.directory': join(directory, 'recordings'),
  })
  const body = JSON.stringify({ name: 'first' })
  await fetch(`${server.http}/api/v1/rooms`, { method: 'POST', headers, body })
})

after(async () => {
  await server?.stop()
  hook?.close()
  if (directory) await rm(directory, { recursive: true })
})

/** The block of code of a page that is of this language, as a command that runs it, in a directory of its own. */
async function program(page, language) {
  const { file, command, prepare = source => source } = languages[language]
  const text = await readFile(join(root, 'docs', page), 'utf8')
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, of]) => of === language)
  assert.equal(blocks.length, 1, `programs in ${language} on ${page}`)
  const path = join(directory, `${page}-${file}`)
  await writeFile(path, await prepare(blocks[0][2]))
  return [...command, path]
}

function isMissing(language) {
  const [command, ...args] = languages[language].there
  return spawnSync(command, args).error && `${command} is not on this machine`
}

/** Runs a command; `heard` is told of each piece of what it says. Gives its exit code and all it said. */
async function run([command, ...args], environment, heard = () => {}) {
  const child = spawn(command, args, { env: { ...process.env, ...environment }, detached: true })
  let said = ''
  child.stdout.on('data', data => heard((said += data)))
  child.stderr.on('data', data => (said += data))
  const [code] = await once(child, 'close')
  return { code, said }
}

/** Comes into the room of the example with the token that it has made. */
function enter(token) {
  const socket = new WebSocket(`${server.ws}/signal`)
  const message = { type: 'join', version: 1, room: 'demo', name: '', tracks: [{ source: 'microphone' }], decodes: ['VP8'], token }
  socket.onopen = () => socket.send(JSON.stringify(message))
  return socket
}

for (const language of Object.keys(languages)) {
  test(`the back end in ${language} makes a room, a token and a broadcast`, { skip: isMissing(language), timeout: 120_000 }, async t => {
    let guest
    t.after(() => fetch(`${server.http}/api/v1/rooms/demo`, { method: 'DELETE', headers }))
    const environment = { CRESCENDO: server.http, API_KEY: `back.${apiSecret}` }
    const { code, said } = await run(await program('api.md', language), environment, text => {
      const token = text.match(/"token":\s*"([^"]+)"/)?.[1]
      if (token && !guest) guest = enter(token)
    })
    assert.equal(code, 0, said)
    assert.match(said, /\/hls\/demo\/index\.m3u8/)
    const room = await (await fetch(`${server.http}/api/v1/rooms/demo`, { headers })).json()
    assert.equal(room.legs[0]?.kind, 'hls', said)
  })
}

/** A port that was free a moment ago. */
async function port() {
  const socket = createSocket().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  await new Promise(done => socket.close(done))
  return port
}

/** One that was really sent, and what nobody should take. */
async function deliveries() {
  while (delivered.length === 0) await once(hook, 'request')
  const [{ headers, body }] = delivered
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('webhook-')))
  return [
    { headers: kept, body, status: 204 },
    { headers: kept, body: Buffer.from(String(body).replace('"type"', '"kind"')), status: 401 },
    { headers: { ...kept, 'webhook-timestamp': '1000000000' }, body, status: 401 },
    { headers: {}, body, status: 401 },
  ]
}

for (const language of ['ts', 'python', 'go']) {
  test(`the receiver in ${language} takes our webhooks and no others`, { skip: isMissing(language), timeout: 120_000 }, async t => {
    const at = await port()
    const [command, ...args] = await program('webhooks.md', language)
    const environment = { ...process.env, PORT: String(at), WEBHOOK_SECRET: webhookSecret }
    const child = spawn(command, args, { env: environment, detached: true, stdio: ['ignore', 'ignore', 'inherit'] })
    // `go run` has a child of its own.
    t.after(() => process.kill(-child.pid, 'SIGKILL'))
    const post = ({ headers, body }) => fetch(`http://127.0.0.1:${at}/hook`, { method: 'POST', headers, body })
    const answer = async delivery => {
      while (child.exitCode === null) {
        const answered = await post(delivery).catch(() => undefined)
        if (answered) return answered.status
        await new Promise(soon => setTimeout(soon, 50))
      }
      throw new Error('the receiver has ended')
    }
    for (const delivery of await deliveries()) assert.equal(await answer(delivery), delivery.status, String(delivery.body))
  })
}

test('openssl finds the same signature', { skip: isMissing('sh') }, async () => {
  const [good, bad] = await deliveries()
  for (const [{ headers, body }, code] of [[good, 0], [bad, 1]]) {
    const file = join(directory, 'body')
    await writeFile(file, body)
    const environment = {
      WEBHOOK_SECRET: webhookSecret,
      BODY: file,
      ID: headers['webhook-id'],
      TIMESTAMP: headers['webhook-timestamp'],
      SIGNATURE: headers['webhook-signature'],
    }
    assert.equal((await run(await program('webhooks.md', 'sh'), environment)).code, code)
  }
})
