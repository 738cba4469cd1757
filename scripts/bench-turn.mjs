// make bench-turn: CPU of a relayed packet, our TURN server against coturn in the same run, in the order A B B A so that a
// machine that grows slower or faster meets both. The ratio is of neighbours: median and spread of two pairs a round.
// CRESCENDO=path/to/crescendo, SECONDS=5 a run, ROUNDS=3, CASES=udp,tcp.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const ip = '127.0.0.1'
const secret = 'a secret of this measurement'
const seconds = Number(process.env.SECONDS ?? 5)
const rounds = Number(process.env.ROUNDS ?? 3)
const packet = 1200 // bytes of payload

const sleep = ms => new Promise(done => setTimeout(done, ms))
/** CPU seconds that the threads of a process have used. */
function cpu(pid) {
  const used = readdirSync(`/proc/${pid}/task`).map(task => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
  return used.reduce((sum, ns) => sum + ns) / 1e9
}
async function freePort() {
  const server = createServer().listen(0, ip)
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}
async function stop(child) {
  if (child.exitCode === null) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}

async function startOurs() {
  const set = {
    'http.listen': `${ip}:0`, 'sfu.listen': `${ip}:0`, 'turn.listen': `${ip}:0`, 'turn.secret': secret,
    'turn.allow_peers': "['127.0.0.0/8']", 'turn.user_kbps': 4000000, 'turn.request_burst': 100000,
    'turn.requests_per_second': 100000, 'sfu.pin': false, 'log.filter': 'warn',
  }
  const args = Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  const child = spawn(process.env.CRESCENDO ?? 'target/release/crescendo', ['serve', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), once(child, 'exit')])
  if (child.exitCode !== null) throw new Error('our server did not start')
  return { child, port: Number(JSON.parse(line).turn[0].split(':').at(-1)) }
}

async function startCoturn(directory) {
  const port = await freePort()
  const args = [
    '-n', '-L', ip, '-E', ip, '-p', String(port), '--use-auth-secret', `--static-auth-secret=${secret}`, '--realm=crescendo',
    '--allow-loopback-peers', '--no-tls', '--no-dtls', '--no-cli', '--log-file=/dev/null', '--no-stdout-log',
    `--pidfile=${join(directory, 'pid')}`, `--userdb=${join(directory, 'db')}`,
  ]
  const child = spawn('turnserver', args, { stdio: 'ignore', cwd: directory })
  await sleep(700)
  if (child.exitCode !== null) throw new Error('turnserver did not start')
  return { child, port }
}

/** coturn's own client and peer: `clients` of them, each packet sent for itself and sent back. Gives packets relayed. */
async function uclient(port, flags, clients) {
  const peerPort = await freePort()
  const peer = spawn('turnutils_peer', ['-L', ip, '-p', String(peerPort)], { stdio: 'ignore' })
  await sleep(200)
  const each = Math.round((seconds * 1000) / 3)
  const args = ['-c', '-u', 'bench', '-W', secret, '-l', String(packet), '-n', String(each), '-m', String(clients), '-z', '3', '-e', ip,
    '-r', String(peerPort), '-p', String(port), ...flags, ip]
  const child = spawn('turnutils_uclient', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', data => (text += data))
  child.stderr.on('data', data => (text += data))
  await once(child, 'exit')
  await stop(peer)
  const last = name => Number([...text.matchAll(new RegExp(`${name}=(\\d+)`, 'g'))].at(-1)?.[1] ?? NaN)
  const [sent, received] = [last('tot_send_msgs'), last('tot_recv_msgs')]
  return { relayed: sent + received, lost: 1 - received / sent }
}

/** Bursts through the channels of `clients`, half of them each way, every `pause` seconds. Gives packets relayed. */
async function bursts(port, clients, burst, pause, manner) {
  const script = new URL('turn-bursts.py', import.meta.url).pathname
  const args = [script, port, secret, seconds, clients, burst, packet, pause, manner].map(String)
  const child = spawn('python3', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface(child.stdout), 'line')
  const [sent, received] = line.split(' ').map(Number)
  return { relayed: received, lost: 1 - received / sent }
}

const cases = {
  bursts: { what: 'UDP, bursts of 20', load: port => bursts(port, 4, 20, 0.002, 'train') },
  // 1.7 Mbit/s each way for each of them.
  frames: { what: 'UDP, 20 video calls', load: port => bursts(port, 20, 6, 1 / 30, 'train') },
  singles: { what: 'UDP, 20 video calls, a call a packet', load: port => bursts(port, 20, 6, 1 / 30, 'single') },
  udp: { what: 'UDP, 20 clients', load: port => uclient(port, [], 20) },
  tcp: { what: 'TCP, 10 clients', load: port => uclient(port, ['-t'], 10) },
}
const wanted = process.env.CASES?.split(',') ?? Object.keys(cases)
const directory = mkdtempSync(join(tmpdir(), 'bench-turn-'))
const median = values => {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}
const us = value => `${value.toFixed(2)} µs`

async function run(who, load) {
  const { child, port } = await (who === 'ours' ? startOurs() : startCoturn(directory))
  try {
    const before = cpu(child.pid)
    const { relayed, lost } = await load(port)
    const each = ((cpu(child.pid) - before) / relayed) * 1e6
    console.log(`  ${who.padEnd(6)} ${us(each)} a packet, ${relayed} packets, ${(lost * 100).toFixed(2)} % lost`)
    return each
  } finally {
    await stop(child)
  }
}

try {
  for (const name of wanted) {
    const { what, load } = cases[name]
    console.log(`${what}, ${packet} bytes:`)
    const times = { ours: [], coturn: [] }
    for (let round = 0; round < rounds; round++) {
      for (const who of ['ours', 'coturn', 'coturn', 'ours']) times[who].push(await run(who, load))
    }
    // A B B A: the first two are neighbours, and the last two.
    const ratios = times.coturn.map((theirs, pair) => theirs / times.ours[pair])
    const [least, most] = [Math.min(...ratios), Math.max(...ratios)]
    console.log(`bench-turn ${what}: ours ${us(median(times.ours))}, coturn ${us(median(times.coturn))}, ` +
      `${median(ratios).toFixed(2)} times less (${least.toFixed(2)} to ${most.toFixed(2)}, ${ratios.length} pairs)`)
  }
} finally {
  rmSync(directory, { recursive: true })
}
