// make bench: every measurement, one after the other, then target/bench/report.md with tables and plots beside it.
// PARTS=forward,doors to run some alone, PARTS= for none; what the others left behind stays in the report.
// CRESCENDO=path/to/crescendo.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { cpus, networkInterfaces, release } from 'node:os'
import { median, plot } from './bench-plots.mjs'

const at = 'target/bench'
const crescendo = process.env.CRESCENDO ?? 'target/release/crescendo'
const load = crescendo.replace(/crescendo$/, 'crescendo-load')
// Janus uses no loopback address; what is sent to the machine's own never leaves it.
const ip = process.env.IP ?? Object.values(networkInterfaces()).flat().find(a => a.family === 'IPv4' && !a.internal)?.address

const bench = (name, ...args) => [load, 'bench', '--json', `${at}/${name}.json`, ...args]
const half = ['--busy', '0.5', '--pairs', '3', '--only']
const parts = {
  forward: [bench('forward', '--pairs', '4', '--milliseconds', '1000')],
  delay: [
    bench('delay-20-trains', ...half, '20 by 20'),
    bench('delay-20-singles', ...half, '20 by 20', '--set', 'train_us=0'),
    bench('delay-50-trains', ...half, '1 to 50'),
    bench('delay-50-singles', ...half, '1 to 50', '--set', 'train_us=0'),
  ],
  doors: [[load, 'compare', '--crescendo', crescendo, '--ip', ip, '--json', `${at}/doors.json`]],
  join: [['node', 'tests/browser/bench/join.mjs']],
  turn: [['node', 'scripts/bench-turn.mjs']],
  switch: [['node', 'tests/browser/bench/switch.mjs']],
  hls: [[load, 'hls']],
  composite: [[load, 'composite', '--rounds', '1']],
  record: [['node', 'tests/browser/bench/record.mjs']],
}
// Shorter than when each is run for itself.
const shorter = { JOINS: '10', SECONDS: '2', ROUNDS: '1', SWITCHES: '2' }

/** Runs a command, shows what it prints, and gives it. */
function run([command, ...args]) {
  return new Promise((done, failed) => {
    const env = { ...shorter, ...process.env, CRESCENDO: crescendo }
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
    let text = ''
    child.stdout.on('data', data => (process.stdout.write(data), (text += data)))
    child.on('error', failed)
    child.on('close', code => (code === 0 ? done(text) : failed(new Error(`${command} ${args.join(' ')} exited with ${code}`))))
  })
}

mkdirSync(at, { recursive: true })
const broken = []
for (const part of (process.env.PARTS ?? Object.keys(parts).join()).split(',').filter(Boolean)) {
  console.log(`\n== ${part}`)
  const begun = Date.now()
  try {
    const texts = []
    if (!parts[part]) throw new Error(`no part ${part}; there are ${Object.keys(parts).join(', ')}`)
    for (const command of parts[part]) texts.push(await run(command))
    writeFileSync(`${at}/${part}.txt`, texts.join('\n'))
  } catch (error) {
    console.error(error.message)
    broken.push(part)
  }
  console.log(`   ${Math.round((Date.now() - begun) / 1000)} s`)
}

const json = name => (existsSync(`${at}/${name}.json`) ? JSON.parse(readFileSync(`${at}/${name}.json`, 'utf8')) : [])
const f = (value, digits = 0) => (value == null ? '–' : value.toFixed(digits))
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')

const forward = json('forward').map(row => ({ ...row, ns: median(row.ns_a_packet), floor: median(row.floor_ns) }))
const delay = [['20 by 20', '20'], ['1 to 50', '50']].flatMap(([name, short]) =>
  ['trains', 'singles'].flatMap(how => json(`delay-${short}-${how}`).map(row => ({ ...row, name, how }))))
const doors = json('doors')

const sections = []
const section = (title, part, ...body) => {
  if (!existsSync(`${at}/${part}.txt`)) return
  const when = statSync(`${at}/${part}.txt`).mtime.toISOString().slice(0, 16).replace('T', ' ')
  sections.push(`## ${title}\n\n${when} UTC${broken.includes(part) ? ', from a former run: this one failed' : ''}\n`, ...body, '')
}
const text = part => (existsSync(`${at}/${part}.txt`) ? readFileSync(`${at}/${part}.txt`, 'utf8').trim() : '')
const raw = part => `\`\`\`\n${text(part)}\n\`\`\``

section('What a forwarded packet costs', 'forward', table(
  ['', 'packets/s', 'ns/packet', 'floor', 'of it', 'a train', 'a call', 'lost', 'wrong', 'p50, p99, p99.9 ms', 'kB/receiver'],
  forward.map(r => [r.name, f(r.forwarded_a_second), f(r.ns), f(r.floor), `${f((r.floor / r.ns) * 100)} %`, f(r.packets_a_train, 1),
    f(r.packets_a_call, 1), r.found.lost, r.found.wrong + r.found.doubled, r.delay_ms.map(ms => f(ms, 2)).join(', '), f(r.kb_a_receiver)]),
), '\n![](forward.png)')
section('Delay at half load', 'delay', table(
  ['', 'trains', 'packets/s', 'core', 'p50 ms', 'p99 ms', 'p99.9 ms', 'lost'],
  delay.map(r => [r.name, r.how === 'trains' ? 'on' : 'off', f(r.forwarded_a_second), `${f(r.busy * 100)} %`, ...r.delay_ms.map(ms => f(ms, 2)), r.found.lost]),
), '\n![](delay.png)')
section('By public doors, against Janus', 'doors', table(
  ['', '', 'CPU-s/Gbit', 'ns/packet', 'core', 'a call', 'lost', 'wrong', 'p50, p99, p99.9 ms', 'kB/subscriber', 'up p50, p99 ms', 'first packet p50, p99 ms'],
  doors.flatMap(d => ['crescendo', 'janus'].map(who => {
    const s = d[who]
    return [d.name, who, f(median(s.cpu_s_a_gigabit), 3), f(median(s.ns_a_packet)), `${f(median(s.busy) * 100)} %`, f(s.packets_a_call, 1),
      `${f((1 - s.delivered / s.offered) * 100, 2)} %`, s.looked.wrong + s.looked.doubled, s.delay_ms.map(ms => f(ms, 2)).join(', '),
      f(s.kb_a_subscriber), s.connected_ms.map(ms => f(ms, 1)).join(', '), s.first_packet_ms.map(ms => f(ms)).join(', ')]
  })),
), '', ...doors.map(d => `- ${d.name}: ${f(d.times_fewer[0], 1)} times fewer CPU-seconds a gigabit (${f(d.times_fewer[1], 1)} to ${f(d.times_fewer[2], 1)})`), '\n![](doors.png)')
section('Join, in a browser', 'join', raw('join'))
section('What a relayed packet costs, against coturn', 'turn', raw('turn'))
section('Switches, in a browser', 'switch', raw('switch'))
section('Viewers, next to nginx', 'hls', raw('hls'))
section('Several in one picture', 'composite', raw('composite'))
section('Recording a call of two', 'record', raw('record'))

const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores, Linux ${release()}`
writeFileSync(`${at}/report.md`, `# Measurements of Crescendo\n\n${machine}\n\n${sections.join('\n')}`)
plot(at, { forward, delay, doors })
console.log(`\n${at}/report.md${broken.length ? `; these failed: ${broken.join(', ')}` : ''}`)
process.exit(broken.length ? 1 : 0)
