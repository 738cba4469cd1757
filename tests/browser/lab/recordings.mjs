// What was recorded, as ffmpeg sees it; and recordings that are cut off.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call, until } from './call.mjs'
import { startServer } from './server.mjs'

/** Paths of all recorded files. */
export const filesIn = directory =>
  readdirSync(directory, { recursive: true })
    .filter(name => /\.(mp4|webm)$/.test(name))
    .map(name => join(directory, name))

/** ffmpeg is to count neither pictures nor time in steps of a frame rate, which browsers do not keep. */
const asTheyAre = ['-vsync', 'passthrough', '-enc_time_base', '-1']

/** What ffmpeg complains about when it decodes all of a file. */
export const complaints = file =>
  spawnSync('ffmpeg', ['-v', 'error', '-i', file, ...asTheyAre, '-f', 'null', '-']).stderr.toString()

/** Times of the packets of a stream, v or a, in seconds. */
export function times(file, stream) {
  const entries = ['-v', 'error', '-select_streams', stream, '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', file]
  const lines = execFileSync('ffprobe', entries, { maxBuffer: 1 << 26 }).toString().split('\n')
  return lines.map(line => parseFloat(line)).filter(Number.isFinite)
}

/** Luma of a picture at a time of a file, in seconds, made `width` by `height`: rows one behind the other. */
export function luma(file, at, width, height) {
  const args = ['-v', 'error', '-ss', String(at), '-i', file, '-frames:v', '1', '-vf', `scale=${width}:${height},format=gray`]
  return execFileSync('ffmpeg', [...args, '-f', 'rawvideo', '-'], { maxBuffer: 1 << 26 })
}

export const recordings = async (server, room = 'lab') => (await server.api(`/rooms/${room}/recordings`)).recordings

/** Starts a recording and waits until it runs; gives the leg's id. */
export async function record(call, person, options = {}) {
  const { id } = await person.lab('startLeg', { kind: 'record', ...options })
  await until('the recording to run', async () => (await call.server.api(`/rooms/lab/legs/${id}`)).state === 'running')
  return id
}

/**
 * Records one person and kills the server `after` ms. Gives what is left of it and what the next start made of that:
 * `seconds` from the file's beginning to the kill, how many of them are lost `torn` and `finished`, and what ffmpeg says.
 */
export async function killed(directory, after, { set = {}, options = {} } = {}) {
  const call = await Call.start({ set: { 'record.directory': directory, ...set } })
  let file, sidecar, at
  try {
    const ann = await call.participant()
    await ann.join()
    const before = new Set(filesIn(directory))
    await record(call, ann, options)
    await sleep(after)
    at = Date.now()
    await call.server.stop('SIGKILL')
    file = filesIn(directory).find(path => !before.has(path))
    sidecar = JSON.parse(readFileSync(join(file, '../recording.json')))
  } finally {
    await call.stop()
  }
  const seconds = (at - Date.parse(sidecar.started) - sidecar.files[0].offsetMs) / 1000
  const lost = path => seconds - Math.max(times(path, 'v').at(-1), times(path, 'a').at(-1))
  const copy = `${file}.torn.mkv`
  copyFileSync(file, copy)
  const torn = { lost: lost(copy), complaints: complaints(copy), state: sidecar.state }
  rmSync(copy)

  const next = await startServer({ 'record.directory': directory, 'log.filter': 'info' })
  try {
    const recovered = await until('it to be recovered', async () =>
      (await recordings(next)).find(({ state, started }) => started === sidecar.started && state === 'recovered'),
    )
    // The sidecar is written before the operator is told.
    const said = /a recording that was cut off is finished/
    await until('the log to say so', () => said.test(next.log()))
    const { finished, durationMs } = recovered.files[0]
    return { seconds, torn, finished: { lost: lost(file), complaints: complaints(file), finished, durationMs } }
  } finally {
    await next.stop()
  }
}
