// What a person hears: browsers play into a null sink of a PulseAudio server of our own, and its monitor is recorded.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const RATE = 48000
/** Windows of 5 ms: tones that are multiples of 200 Hz are orthogonal in them. One a millisecond. */
const WINDOW = 240
const HOP = 48

/** Starts the sound server. `env` goes to the browsers that are to be heard. */
export async function startSound() {
  const directory = mkdtempSync(join(tmpdir(), 'crescendo-sound-'))
  const socket = join(directory, 'native')
  const env = { PULSE_SERVER: `unix:${socket}`, PULSE_RUNTIME_PATH: directory, XDG_RUNTIME_DIR: directory }
  const child = spawn(
    'pulseaudio',
    [
      '-n',
      '--daemonize=no',
      '--exit-idle-time=-1',
      '--disable-shm=yes',
      `--load=module-null-sink sink_name=out rate=${RATE} channels=1`,
      `--load=module-native-protocol-unix socket=${socket} auth-anonymous=1`,
    ],
    { env: { ...process.env, ...env, HOME: directory }, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  child.stderr.on('data', data => (log += data))
  for (let tries = 0; !existsSync(socket); tries++) {
    if (tries === 100 || child.exitCode !== null) throw new Error(`no sound server: ${log}`)
    await sleep(50)
  }
  return {
    env,
    record: () => record(env),
    async stop() {
      child.kill()
      if (child.exitCode === null) await once(child, 'exit')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Records until stop(), which gives { begun, samples }: epoch ms of the first sample, and floats at 48 kHz. */
async function record(env) {
  const args = ['--raw', '--format=float32le', `--rate=${RATE}`, '--channels=1', '--latency-msec=20', '-d', 'out.monitor']
  const child = spawn('parec', args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks = []
  let begun
  child.stdout.on('data', data => {
    begun ??= Date.now()
    chunks.push(data)
  })
  await once(child.stdout, 'readable').catch(() => {})
  return {
    async stop() {
      child.kill('SIGINT')
      await once(child, 'close')
      const bytes = Buffer.concat(chunks)
      const samples = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~3)))
      return { begun, samples }
    },
  }
}

/** Level of one tone, a value a millisecond. */
export function level(samples, hertz) {
  // Goertzel's recurrence over each window.
  const turn = 2 * Math.cos((2 * Math.PI * hertz) / RATE)
  const levels = new Float32Array(Math.max(0, Math.floor((samples.length - WINDOW) / HOP) + 1))
  for (let index = 0; index < levels.length; index++) {
    let [one, two] = [0, 0]
    const end = index * HOP + WINDOW
    for (let i = index * HOP; i < end; i++) {
      const next = samples[i] + turn * one - two
      two = one
      one = next
    }
    levels[index] = (2 * Math.sqrt(Math.max(0, one * one + two * two - turn * one * two))) / WINDOW
  }
  return levels
}

/**
 * How steady a tone sounded between two moments (ms from the start of the recording): its usual level, the longest stretch
 * in which it was missing, and the longest in which it was more than half again as loud, in ms.
 */
export function steadiness(levels, from, to, usual = median(levels)) {
  const longest = test => {
    let [run, best] = [0, 0]
    for (let i = Math.max(0, Math.round(from)); i < Math.min(levels.length, to); i++) {
      run = test(levels[i]) ? run + 1 : 0
      best = Math.max(best, run)
    }
    return best
  }
  return { usual, gap: longest(l => l < usual / 2), double: longest(l => l > usual * 1.5) }
}

function median(levels) {
  return Float32Array.from(levels).sort()[Math.floor(levels.length / 2)] ?? 0
}

/** What a listener hears of these tones within a second, by level. */
export async function heard(sound, tones) {
  const recorder = await sound.record()
  await sleep(1500)
  const { samples } = await recorder.stop()
  return tones.map(tone => steadiness(level(samples, tone), 250, 1250).usual)
}
