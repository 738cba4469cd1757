// make bench: from the signaling socket being open to the first picture of somebody who was there before, as it is seen.
// JOINS=20 in each mode.
import { Call, until } from '../lab/call.mjs'
import { distribution } from '../lab/seen.mjs'

const joins = Number(process.env.JOINS ?? 20)

async function measure(set, mode) {
  const call = await Call.start({ set })
  const times = []
  try {
    const [host, guest] = [await call.participant(), await call.participant()]
    await host.join()
    for (let round = 0; round < joins; round++) {
      await guest.join()
      const first = await until('the first picture', async () => {
        const { tiles } = await guest.record()
        return tiles[host.name]?.runs.find(([, what]) => what >= 0)?.[0]
      })
      times.push(first - (await guest.lab('opened')))
      await call.reaches(mode)
      await guest.leave()
      await until('the guest to be gone', async () => (await call.server.api('/rooms/lab')).participants.length === 1)
    }
  } finally {
    await call.stop()
  }
  const { n, median, p95, max } = distribution(times)
  const ms = value => `${Math.round(value)} ms`
  console.log(`join ${mode.padEnd(5)} median ${ms(median)}, p95 ${ms(p95)}, max ${ms(max)} (${n} joins, Chromium, socket open to first picture)`)
}

await measure({}, 'mesh')
await measure({ 'room.mesh_limit': 1, 'room.demote_after_ms': 60_000 }, 'sfu')
