// Autobahn's cases for WebSocket servers (RFC 6455), against the server's own listeners and WebSockets with an echo behind them.
// Its cases of compression are left out, which we do not offer.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../', import.meta.url))
const suite = join(root, 'target/tools/autobahn')
const python = join(suite, 'python')
const start = `import site, sys; site.addsitedir(${JSON.stringify(suite)})
from autobahntestsuite import wstest; wstest.run()`
const skip = !existsSync(python) && 'there is no Python 2.7 on this machine, which the suite runs on'
/** Of its 301 cases without compression. */
const least = 300

test("Autobahn's cases pass", { skip, timeout: 300_000 }, async t => {
  const directory = await mkdtemp(join(tmpdir(), 'crescendo-autobahn-'))
  t.after(() => rm(directory, { recursive: true }))
  const echo = spawn(join(root, 'target/debug/crescendo-load'), ['echo'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => echo.stdin.end())
  const [line] = await once(createInterface(echo.stdout), 'line')
  const spec = {
    outdir: directory,
    servers: [{ agent: 'Crescendo', url: `ws://${JSON.parse(line).http}` }],
    cases: ['*'],
    'exclude-cases': ['12.*', '13.*'],
    'exclude-agent-cases': {},
  }
  await writeFile(join(directory, 'spec.json'), JSON.stringify(spec))
  const args = ['-W', 'ignore', '-c', start, '--mode', 'fuzzingclient', '--spec', join(directory, 'spec.json')]
  await promisify(execFile)(python, args, { cwd: directory, maxBuffer: 64 << 20 })
  const cases = Object.entries(JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')).Crescendo)
  // Not strict: what is wrong is found, but later than it could be.
  const good = ['OK', 'NON-STRICT', 'INFORMATIONAL']
  const bad = cases.filter(([, { behavior, behaviorClose }]) => !good.includes(behavior) || !good.includes(behaviorClose))
  assert.deepEqual(bad, [])
  assert.ok(cases.length >= least, `${cases.length} cases`)
  const strict = cases.filter(([, { behavior }]) => behavior === 'OK').length
  t.diagnostic(`${cases.length} cases, ${strict} of them strictly`)
})
