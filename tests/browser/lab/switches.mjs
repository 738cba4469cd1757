// What a person sees and hears of promotions and demotions. Four stay in the call, a fifth comes and goes.
import { setTimeout as sleep } from 'node:timers/promises'
import { Call, toneOf, until } from './call.mjs'
import { distribution, inspect } from './seen.mjs'
import { level, startSound, steadiness } from './sound.mjs'

/** A switch is looked at this long before and after, and its yardstick is the time before that; ms. */
const AROUND = 3000
const YARDSTICK = 5000
/** The room stays at or below its limit for this long before it moves back: yardstick and leave do not overlap. */
const DEMOTE_AFTER = AROUND + YARDSTICK + 1000

/**
 * Runs `switches` promotions and as many demotions; gives { promote, demote }, each with the list of views (one for each
 * remote video of each of the four), of sounds, and of times that a switch took, plus what did not happen.
 * hidden: participant 3 is in a tab that nobody sees; it is looked at only by the others.
 */
export async function measure({ switches, browser = 'chromium', hidden = false, say = () => {} }) {
  const sound = await startSound()
  const call = await Call.start({ sound, throttled: hidden, set: { 'room.demote_after_ms': DEMOTE_AFTER } })
  const result = { promote: empty(), demote: empty(), failures: [] }
  try {
    const four = []
    for (let i = 0; i < 4; i++) four.push(await call.participant({ browser, listen: i === 0 }))
    const fifth = await call.participant({ browser })
    if (hidden) await four[3].hide()
    for (const person of four) await person.join()
    const eyes = hidden ? four.slice(0, 3) : four
    for (const person of eyes) await person.sees(four.filter(other => other !== person))
    await sleep(AROUND + YARDSTICK)

    for (let round = 1; round <= switches; round++) {
      for (const kind of ['promote', 'demote']) {
        const recorder = await sound.record()
        await sleep(kind === 'promote' ? YARDSTICK : 0)
        let trigger = Date.now()
        if (kind === 'promote') await fifth.join()
        else await fifth.leave()
        const carrier = kind === 'promote' ? 'sfu' : 'mesh'
        const views = await arrive(eyes, four, carrier).catch(error => {
          result.failures.push(`${kind} ${round}: ${error.message}`)
        })
        if (kind === 'demote') trigger = Math.max(trigger, (await lastMode(four[0], 'demoting')) ?? trigger)
        await sleep(AROUND)
        const { begun, samples } = await recorder.stop()
        if (!views) continue
        const took = Math.max(...views.map(view => view.flip)) - trigger
        result[kind].took.push(took)
        result[kind].views.push(...(await judge(eyes, views, trigger)))
        result[kind].sounds.push(...hear(samples, begun, views, trigger))
        say(`${kind} ${round}/${switches}: everybody there after ${Math.round(took)} ms`)
        for (const person of eyes) await person.lab('forget', Date.now() - AROUND)
      }
    }
    result.doubled = 0
    result.late = []
    for (const person of eyes) {
      const { tiles, late } = await person.record()
      for (const tile of Object.values(tiles)) result.doubled += tile.doubled
      result.late.push(...late.map(([, ms]) => ms))
    }
  } finally {
    await call.stop()
    await sound.stop()
  }
  return result
}

const empty = () => ({ views: [], sounds: [], took: [] })

async function lastMode(person, mode) {
  const events = await person.events()
  return events.filter(event => event.name === 'mode-changed' && event.mode === mode).at(-1)?.at
}

/** Waits until each of `eyes` sees each other one of `four` over `carrier`; gives [{ eye, of, flip }]. */
async function arrive(eyes, four, carrier) {
  return until(`everybody to be seen over ${carrier}`, async () => {
    const views = []
    for (const eye of eyes) {
      const { tiles } = await eye.record(Date.now())
      for (const { name } of four.filter(other => other !== eye)) {
        const [flip, now] = tiles[name]?.paths.at(-1) ?? []
        if (now !== carrier) return undefined
        views.push({ eye, of: name, flip })
      }
    }
    return views
  })
}

async function judge(eyes, views, trigger) {
  const judged = []
  for (const eye of eyes) {
    const since = Math.min(trigger, ...views.map(view => view.flip)) - AROUND - YARDSTICK - 1000
    const { tiles, blanks } = await eye.record(since)
    for (const { of, flip } of views.filter(view => view.eye === eye)) {
      const { runs } = tiles[of]
      const calm = Math.min(trigger, flip - AROUND)
      const before = inspect(runs, calm - YARDSTICK, calm)
      const around = inspect(runs, flip - AROUND, flip + AROUND)
      judged.push({ eye: eye.name, of, ...around, yardstick: before.hold, held: around.heldAt - flip, asked: trigger - flip, blank: blanks.filter(({ key, at }) => key === of && Math.abs(at - flip) < AROUND) })
    }
  }
  return judged
}

/**
 * The first of the four listens; how steady were the other three around the switch and before it? `alone` is how long one was
 * missing while another sounded: when all fall silent at once it is the machine that did not keep up with playing.
 */
function hear(samples, begun, views, trigger) {
  const heard = views.filter(view => view.eye.listen)
  const levels = heard.map(({ of }) => level(samples, toneOf(Number(of.split('-')[1]))))
  const { usual } = steadiness(levels[0], 0, levels[0].length)
  const anybody = levels[0].map((_, at) => Math.max(...levels.map(one => one[at])))
  return heard.map(({ flip }, i) => {
    const alone = levels[i].map((own, at) => (anybody[at] > usual / 2 ? own : usual))
    const calm = Math.min(trigger, flip - AROUND) - begun
    const around = [flip - AROUND - begun, flip + AROUND - begun]
    const before = [Math.max(500, calm - YARDSTICK), calm]
    const { gap, double } = steadiness(levels[i], ...around)
    const yardstick = steadiness(levels[i], ...before, usual)
    const own = span => steadiness(alone, ...span, usual).gap
    const gaps = { gap, gapBefore: yardstick.gap, alone: own(around), aloneBefore: own(before) }
    return { level: usual, ...gaps, double, doubleBefore: yardstick.double }
  })
}

const row = (name, numbers, digits = 0) => {
  if (numbers.length === 0) return `  ${name.padEnd(34)} nothing measured`
  const { n, median, p95, max } = distribution(numbers)
  const cells = [median, p95, max].map(value => value.toFixed(digits).padStart(7))
  return `  ${name.padEnd(34)} median ${cells[0]}  p95 ${cells[1]}  max ${cells[2]}  (${n})`
}

/** The result as text. */
export function table(result) {
  const lines = []
  for (const kind of ['promote', 'demote']) {
    const { views, sounds, took } = result[kind]
    const total = key => views.reduce((n, view) => n + view[key], 0)
    lines.push(`${kind}: ${took.length} switches, ${views.length} remote videos`)
    lines.push(row('switch took, ms', took))
    lines.push(row('stand-still around it, ms', views.map(view => view.hold)))
    lines.push(row('stand-still in the 5 s before, ms', views.map(view => view.yardstick)))
    lines.push(row('… that began after the flip, ms', views.map(view => view.held)))
    lines.push(row('ratio (goal 1.2, 2)', views.map(view => view.hold / view.yardstick), 2))
    lines.push(`  blank samples ${total('blanks')}, steps back ${total('back')}, torn ${total('torn')}, strangers ${total('strangers')}`)
    lines.push(row('sound missing around it, ms', sounds.map(s => s.gap)))
    lines.push(row('sound missing before, ms', sounds.map(s => s.gapBefore)))
    lines.push(row('… while others sound, around it', sounds.map(s => s.alone)))
    lines.push(row('… while others sound, before', sounds.map(s => s.aloneBefore)))
    lines.push(row('sound doubled around it, ms', sounds.map(s => s.double)))
    lines.push(row('sound doubled before, ms', sounds.map(s => s.doubleBefore)))
  }
  lines.push(row('late animation frames, ms', result.late ?? []))
  lines.push(`samples with two sounding elements ${result.doubled}`)
  for (const failure of result.failures) lines.push(`FAILED ${failure}`)
  return lines.join('\n')
}

/**
 * What makes a run fail, as text; empty when nothing does. Times are for the reader, but for a picture that froze: for 2 s, and for three
 * times as long as on this machine before the switch.
 */
export function faults(result) {
  const found = [...result.failures]
  for (const kind of ['promote', 'demote']) {
    const { views, sounds } = result[kind]
    if (views.length === 0) found.push(`${kind}: nothing was measured`)
    const blanks = views.reduce((n, view) => n + view.blanks, 0)
    if (blanks > 0) found.push(`${kind}: ${blanks} blank samples`)
    const frozen = views.filter(view => view.hold > Math.max(2000, 3 * view.yardstick)).length
    if (frozen > 0) found.push(`${kind}: ${frozen} pictures stood still for more than 2 s`)
    if (sounds.some(sound => sound.level < 0.01)) found.push(`${kind}: somebody was not heard`)
  }
  if (result.doubled > 0) found.push(`${result.doubled} samples with two sounding elements of one track`)
  return found
}
