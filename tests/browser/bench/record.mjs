// make bench-record: what a recording of a call of two costs the server, while the call itself stays between the two.
// SECONDS=15 each; CODEC=H264 or VP8.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call } from '../lab/call.mjs'
import { record, recordings } from '../lab/recordings.mjs'

const seconds = Number(process.env.SECONDS ?? 15)
const codec = process.env.CODEC ?? 'H264'
const directory = mkdtempSync(join(tmpdir(), 'crescendo-record-'))
const set = { 'record.directory': directory, 'sfu.video_codecs': `["${codec}"]` }
const call = await Call.start({ set })

/** CPU time of the server so far, in seconds. */
function cpu() {
  const fields = readFileSync(`/proc/${call.server.child.pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** What the server counts. */
async function counters() {
  const text = await call.server.metrics()
  const value = name => Number(text.match(new RegExp(`^${name} (.*)$`, 'm'))?.[1] ?? 0)
  return {
    forwarded: value('crescendo_forwarded_packets_total'),
    relayed: value('crescendo_turn_relayed_packets_total\\{to="client"\\}') + value('crescendo_turn_relayed_packets_total\\{to="peer"\\}'),
    up: value('crescendo_transports\\{direction="up"\\}'),
    down: value('crescendo_transports\\{direction="down"\\}'),
  }
}

/** % of a core over the next seconds. */
async function measured() {
  const [from, at] = [cpu(), performance.now()]
  await sleep(seconds * 1000)
  return ((cpu() - from) / (performance.now() - at)) * 100_000
}

try {
  const people = await call.people(2)
  await call.everybodySees(people)
  await sleep(2000)
  const before = await counters()
  const idle = await measured()
  const leg = await record(call, people[0])
  await sleep(2000)
  const recording = await measured()
  await call.everybodySees(people)
  const after = await counters()
  const mode = await call.mode()
  await people[0].lab('stopLeg', leg)
  await sleep(1500)
  const [{ files, durationMs }] = await recordings(call.server)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const gaps = files.flatMap(({ tracks }) => tracks.flatMap(track => track.gaps)).length

  console.log(`a call of two in ${mode}, ${codec} and Opus, ${seconds} s each`)
  console.log(`server, not recording   ${idle.toFixed(2)} % of a core, ${before.up} up and ${before.down} down transports`)
  console.log(`server, recording both  ${recording.toFixed(2)} % of a core, ${after.up} up and ${after.down} down transports`)
  console.log(`recording costs         ${(recording - idle).toFixed(2)} % of a core`)
  console.log(`each caller uploads     ${Math.round((bytes * 8) / durationMs / files.length)} kbit/s more`)
  console.log(`packets of the call that the server forwarded: ${after.forwarded}, or relayed: ${after.relayed}`)
  console.log(`files                   ${files.length}, ${(durationMs / 1000).toFixed(1)} s, ${gaps} gaps`)
  const good = mode === 'mesh' && after.forwarded + after.relayed === 0 && after.down === before.down && files.length === 2
  if (!good) console.log('BAD: the call should be a mesh, and none of its media forwarded')
  process.exitCode = good ? 0 : 1
} finally {
  await call.stop()
  rmSync(directory, { recursive: true, force: true })
}
