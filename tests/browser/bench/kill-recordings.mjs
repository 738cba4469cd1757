// make soak-record: the server is killed while it records, again and again, and each file has to play to within a second of it.
// KILLS=20.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killed } from '../lab/recordings.mjs'

const kills = Number(process.env.KILLS ?? 20)
const directory = mkdtempSync(join(tmpdir(), 'crescendo-kills-'))
let good = 0
let most = 0
try {
  for (let round = 1; round <= kills; round++) {
    const { seconds, torn, finished } = await killed(directory, 1000 + Math.random() * 5000)
    const fine = torn.lost < 1 && finished.lost < 1 && !torn.complaints && !finished.complaints && finished.finished
    good += fine ? 1 : 0
    most = Math.max(most, torn.lost, finished.lost)
    const figures = `${torn.lost.toFixed(3)} s lost as it was left, ${finished.lost.toFixed(3)} s finished`
    console.log(`${String(round).padStart(2)}: killed after ${seconds.toFixed(2)} s, ${figures}${fine ? '' : '  BAD'}`)
    if (torn.complaints || finished.complaints) console.log(torn.complaints, finished.complaints)
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
console.log(`${good} of ${kills} files play to within 1 s of the kill; the most that was lost is ${most.toFixed(3)} s`)
process.exitCode = good === kills ? 0 : 1
