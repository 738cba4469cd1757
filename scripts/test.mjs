// node scripts/test.mjs [SUITE…]: runs the suites one after the other, all of them even if one fails, and closes with
// 'N passed, N failed' summed from the runners' own closing lines. A suite that fails without saying how many tests
// failed, or that ran none, counts as one failure.
import { spawn } from 'node:child_process'

const suites = {
  rust: { run: ['cargo', 'test', '--no-fail-fast'], count: cargo },
  web: { run: ['npm', '--prefix', 'web', 'test', '--silent'], count: vitest },
  fuzz: { run: ['fuzz/run.sh', '3'], count: fuzz },
  api: { before: ['cargo', 'build'], run: ['npm', '--prefix', 'tests/api', 'test', '--silent'], count: nodeTest },
  browser: { before: ['cargo', 'build'], run: ['npm', '--prefix', 'tests/browser', 'test', '--silent'], count: nodeTest },
}

// Each takes the output of a runner and gives [passed, failed].
function cargo(text) {
  return sum(text.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm))
}
function vitest(text) {
  const line = text.match(/^\s*Tests\s+(.*)$/m)?.[1] ?? ''
  return [Number(line.match(/(\d+) passed/)?.[1] ?? 0), Number(line.match(/(\d+) failed/)?.[1] ?? 0)]
}
function fuzz(text) {
  return [text.match(/^fuzz \S+ ok/gm)?.length ?? 0, text.match(/^fuzz \S+ FAILED/gm)?.length ?? 0]
}
function nodeTest(text) {
  const last = word => Number([...text.matchAll(new RegExp(`^(?:ℹ|#) ${word} (\\d+)`, 'gm'))].at(-1)?.[1] ?? 0)
  return [last('pass'), last('fail') + last('cancelled')]
}
function sum(matches) {
  return [...matches].reduce(([passed, failed], m) => [passed + Number(m[1]), failed + Number(m[2])], [0, 0])
}

// Runs a command, shows what it prints as it comes, and gives its exit code and its text without colours.
function run([command, ...args]) {
  return new Promise(done => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } })
    let text = ''
    child.stdout.on('data', data => (process.stdout.write(data), (text += data)))
    child.stderr.on('data', data => process.stderr.write(data))
    child.on('error', error => done({ code: error.message, text }))
    child.on('close', code => done({ code, text: text.replace(/\x1b\[[0-9;]*m/g, '') }))
  })
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(suites)
const report = []
for (const name of wanted) {
  const suite = suites[name]
  if (!suite) {
    console.error(`no suite ${name}; there are ${Object.keys(suites).join(', ')}`)
    process.exit(2)
  }
  console.log(`\n== ${name}: ${suite.run.join(' ')}`)
  const begun = Date.now()
  if (suite.before) await run(suite.before)
  const { code, text } = await run(suite.run)
  let [passed, failed] = suite.count(text)
  if ((code !== 0 && failed === 0) || passed + failed === 0) failed += 1
  report.push({ name, passed, failed, seconds: Math.round((Date.now() - begun) / 1000), code })
}
console.log()
for (const r of report) {
  console.log(`${r.name.padEnd(8)} ${r.passed} passed, ${r.failed} failed in ${r.seconds} s (exit ${r.code})`)
}
const failed = report.reduce((n, r) => n + r.failed, 0)
console.log(`\n${report.reduce((n, r) => n + r.passed, 0)} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
