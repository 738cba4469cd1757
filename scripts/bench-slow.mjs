// node scripts/bench-slow.mjs: 1,000 connections whose heads come a header every few seconds (slowhttptest), and how long the API takes for
// those who ask as they should meanwhile. CRESCENDO names another binary.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startServer } from '../tests/browser/lab/server.mjs'

const connections = 1000
const seconds = 25
const everyMs = 10

const server = await startServer({ 'log.filter': 'error' })
const directory = mkdtempSync(join(tmpdir(), 'crescendo-slow-'))
try {
  const quiet = await ask(3)
  const slow = ['-c', connections, '-H', '-g', '-o', join(directory, 'slow'), '-i', 4, '-r', 500, '-l', seconds, '-p', 2]
  const attack = spawn('slowhttptest', [...slow, '-u', `${server.http}/api/v1/rooms`].map(String), { stdio: 'ignore' })
  const ended = once(attack, 'exit')
  const during = await ask(seconds)
  await ended
  const closed = (await server.metrics()).match(/crescendo_refused_total\{limit="http.read_timeout_ms"\} (\d+)/)?.[1] ?? 0
  console.log('GET /api/v1/rooms, ms        p50    p99    max')
  for (const [name, times] of [['alone', quiet], [`beside ${connections} slow ones`, during]]) {
    const [p50, p99, max] = [0.5, 0.99, 1].map(share => times[Math.min(times.length - 1, Math.floor(times.length * share))])
    console.log(`${name.padEnd(24)} ${[p50, p99, max].map(ms => ms.toFixed(1).padStart(6)).join(' ')}   (${times.length} requests)`)
  }
  console.log(`${closed} connections were closed by http.read_timeout_ms`)
} finally {
  await server.stop()
  rmSync(directory, { recursive: true })
}

/** Milliseconds of requests that are made one after the other for so long, sorted. */
async function ask(seconds) {
  const times = []
  for (const until = Date.now() + seconds * 1000; Date.now() < until; await sleep(everyMs)) {
    const begun = performance.now()
    const answer = await fetch(`${server.http}/api/v1/rooms`, { headers: { connection: 'close' } })
    await answer.arrayBuffer()
    if (answer.status !== 200) throw new Error(`answered with ${answer.status}`)
    times.push(performance.now() - begun)
  }
  return times.sort((a, b) => a - b)
}
