// make bench-switch: promotions and demotions as a person sees and hears them.
// SWITCHES=20 of each, BROWSER=chromium or firefox, HIDDEN=1 puts one participant into a hidden tab,
// RAW=file keeps each view.
import { writeFile } from 'node:fs/promises'
import { faults, measure, table } from '../lab/switches.mjs'

const switches = Number(process.env.SWITCHES ?? 20)
const browser = process.env.BROWSER ?? 'chromium'
const hidden = process.env.HIDDEN === '1'

console.log(`${switches} promotions and ${switches} demotions in ${browser}${hidden ? ', one tab hidden' : ''}`)
const result = await measure({ switches, browser, hidden, say: line => console.log(line) })
console.log(`\n${table(result)}`)
if (process.env.RAW) await writeFile(process.env.RAW, JSON.stringify(result))
const found = faults(result)
for (const fault of found) console.log(`FAILED ${fault}`)
process.exit(found.length === 0 ? 0 : 1)
