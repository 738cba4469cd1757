// The server under test, as its own process on free ports.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const binary = process.env.CRESCENDO ?? 'target/debug/crescendo'

/** Starts a server with `set` laid over the lab's defaults; `within` is a command that runs it, as ip netns exec NAME. */
export async function startServer(set = {}, { within = [] } = {}) {
  const keys = {
    'http.listen': '127.0.0.1:0',
    'sfu.listen': '0.0.0.0:0',
    'sfu.pin': false,
    'turn.listen': '0.0.0.0:0',
    'turn.pin': false,
    'hls.directory': '',
    'log.filter': 'warn',
    // In a namespace of its own it listens on more than loopback.
    'access.open': within.length > 0,
    ...set,
  }
  const args = Object.entries(keys).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  const [command, ...rest] = [...within, binary, 'serve', ...args]
  const child = spawn(command, rest, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', data => (log = (log + data).slice(-20000)))
  const lines = createInterface(child.stdout)
  const first = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => undefined)])
  if (!first) throw new Error(`the server did not start: ${log}`)
  const bound = JSON.parse(first[0])
  const http = `http://${bound.http}`
  return {
    child,
    bound,
    http,
    ws: `ws://${bound.http}`,
    log: () => log,
    /** GET or another method of the API; gives the parsed body. */
    async api(path, { method = 'GET', body } = {}) {
      const headers = body ? { 'content-type': 'application/json' } : {}
      const response = await fetch(`${http}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) })
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
      return response.json()
    },
    async metrics() {
      return (await fetch(`${http}/metrics`)).text()
    },
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      child.kill(signal)
      const late = setTimeout(() => child.kill('SIGKILL'), 10000)
      const [code] = await once(child, 'exit')
      clearTimeout(late)
      return code
    },
  }
}
