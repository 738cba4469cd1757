// make bench-join: how long it takes from joining to the first picture of somebody who was there before: alone in a mesh, and one of
// two in a call that is on the server already.
// JOINS=20 in each mode; BROWSER=chromium or firefox.
import { Call, until } from '../lab/call.mjs'
import { distribution } from '../lab/seen.mjs'

const joins = Number(process.env.JOINS ?? 20)
const browser = process.env.BROWSER ?? 'chromium'

async function measure(set, mode, there) {
  const call = await Call.start({ set })
  const seen = []
  const decoded = []
  try {
    const people = []
    for (let i = 0; i <= there; i++) people.push(await call.participant({ browser, tone: false }))
    const [guest, host] = people
    for (const one of people.slice(1)) await one.join()
    if (there > 1) await call.reaches(mode)
    for (let round = 0; round < joins; round++) {
      await guest.join()
      const first = await until('the first picture', async () => {
        const { tiles } = await guest.record()
        return tiles[host.name]?.runs.find(([, what]) => what >= 0)?.[0]
      })
      const { opened, asked, frame } = await guest.lab('joined')
      seen.push(first - opened)
      if (mode === 'sfu') decoded.push(frame - asked)
      await call.reaches(mode)
      await guest.leave()
      await until('the guest to be gone', async () => (await call.server.api('/rooms/lab')).participants.length === there)
    }
  } finally {
    await call.stop()
  }
  print(mode, 'socket open to first picture seen', seen)
  if (mode === 'sfu') print(mode, 'answer sent to first frame decoded', decoded)
}

function print(mode, what, times) {
  const { n, median, p95, max } = distribution(times)
  const cells = [median, p95, max].map(value => `${Math.round(value)} ms`)
  console.log(`${mode.padEnd(4)} ${what.padEnd(36)} median ${cells[0]}, p95 ${cells[1]}, max ${cells[2]} (${n} joins, ${browser})`)
}

await measure({}, 'mesh', 1)
await measure({ 'room.mesh_limit': 1, 'room.demote_after_ms': 60_000 }, 'sfu', 2)
