// Run as `node --test bench/bandwidth.mjs`, as root, on a machine that does nothing else.
// A receiver's link becomes thin, and wide again: its picture becomes small meanwhile and goes on, and its sound is unhurt.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Call, until } from '../lab/call.mjs'
import { makeNamespace } from '../lab/namespace.mjs'
import { inspect } from '../lab/seen.mjs'

/** 960 by 720. */
const SCALE = 6
const WIDE = 960
/** What the link is cut to, kbit/s, and how long it makes packets wait before it drops them, ms. */
const THIN = Number(process.env.THIN ?? 300)
const QUEUE = 300
/** For how long, ms. */
const CUT = 10_000
/** The longest that a picture may stand still, ms: half a second on a machine that does nothing else, of which the rest is what two
 * busy cores take. */
const HOLD = 1500
/** How long the largest picture may take to be back, ms: 8 seconds, and the same. */
const BACK = 12_000
/** Share of the sound that may be made up. */
const CONCEALED = 0.05

const video = async eye => (await eye.lab('stats')).find(({ kind, path }) => kind === 'video' && path === 'sfu')
const total = (reports, name) => reports.reduce((sum, report) => sum + (report[name] ?? 0), 0)

async function inbound(eye) {
  const all = await eye.lab('inbound')
  const sounds = all.filter(({ kind }) => kind === 'audio')
  const pictures = all.filter(({ kind }) => kind === 'video')
  return {
    at: Date.now(),
    bytes: total(all, 'bytesReceived') + total(all, 'headerBytesReceived'),
    samples: total(sounds, 'totalSamplesReceived'),
    concealed: total(sounds, 'concealedSamples') - total(sounds, 'silentConcealedSamples'),
    lost: total(pictures, 'packetsLost'),
    lostSounds: total(sounds, 'packetsLost'),
    width: pictures.find(({ frameWidth }) => frameWidth)?.frameWidth,
    decoded: total(pictures, 'framesDecoded'),
  }
}

async function isWide(eye, wide, patience) {
  const begun = Date.now()
  let seen
  const is = async () => {
    seen = (await video(eye))?.frameWidth ?? 0
    return seen > 0 && (seen === WIDE) === wide
  }
  await until(wide ? 'the largest picture' : 'a smaller picture', is, patience).catch(error => {
    throw new Error(`${error.message}; it is ${seen} wide`)
  })
  return Date.now() - begun
}

/** What the server takes the path to the receiver for, in kbit/s. */
const estimate = async eye => (await video(eye))?.availableKbps

/** What each of the sender's encodings brings, as rid:kbit/s@width. */
async function sending(sender) {
  const all = (await sender.lab('outbound')).filter(({ kind }) => kind === 'video')
  const [way] = await sender.lab('pairs')
  const names = all.map(o => `${o.rid}:${Math.round((o.targetBitrate ?? 0) / 1000)}@${o.active && o.framesPerSecond ? o.frameWidth : 0}`)
  return `${names.sort().join(' ')} ${all[0]?.qualityLimitationReason} of ${Math.round(way / 1000)}`
}

/** What came each half second, for who has to find out why. */
function trace(sender, eye, begun) {
  const lines = []
  let going = true
  let before
  const done = (async () => {
    while (going) {
      const now = await inbound(eye)
      if (before) {
        const kbps = ((now.bytes - before.bytes) * 8) / (now.at - before.at)
        const [concealed, lost, decoded] = ['concealed', 'lost', 'decoded'].map(name => now[name] - before[name])
        lines.push(`${((now.at - begun) / 1000).toFixed(1)} s: ${kbps.toFixed(0)} kbit/s, ${now.width} wide, ${decoded} frames, ${lost} lost, ${concealed} samples made up; estimate ${await estimate(eye)}; sent ${await sending(sender)}`)
      }
      before = now
      await sleep(500)
    }
  })()
  return async () => {
    going = false
    await done
    return lines
  }
}

for (const browser of (process.env.BROWSERS ?? 'chromium').split(' ')) {
  test(`a link that becomes thin costs pictures their size, and nothing else, in ${browser}`, async t => {
    const space = makeNamespace()
    t.after(() => space.remove())
    const listen = { 'http.listen': `${space.there}:0`, 'sfu.listen': `${space.there}:0` }
    const set = { ...listen, 'room.mesh_limit': 1, 'turn.enabled': false, 'sfu.bandwidth_estimation': true }
    if (process.env.LOG) set['log.filter'] = process.env.LOG
    const call = await Call.start({ set, within: space.within })
    t.after(() => call.stop())
    if (process.env.LOG) t.after(() => console.log(call.server.log()))
    const sender = await call.participant({ scale: SCALE, hard: true })
    const eye = await call.participant({ browser, tone: false, video: false, listen: true })
    for (const person of [sender, eye]) await person.join()
    await eye.sees([sender])
    await sender.lab('encode', {}, 'maintain-resolution')
    await eye.lab('resize', sender.name, 640, 480)
    t.diagnostic(`the largest picture after ${await isWide(eye, true, 30_000)} ms`)
    const settled = trace(sender, eye, Date.now())
    await sleep(6000)
    for (const line of await settled()) t.diagnostic(line)
    const started = await inbound(eye)
    await sleep(2000)
    const before = await inbound(eye)
    t.diagnostic(`all takes ${(((before.bytes - started.bytes) * 8) / (before.at - started.at)).toFixed(0)} kbit/s; the link is cut to ${THIN}`)
    t.diagnostic(`estimate ${await estimate(eye)}; sent ${await sending(sender)}`)
    const yard = await eye.record(started.at)
    t.diagnostic(`before: ${JSON.stringify(inspect(yard.tiles[sender.name].runs, started.at, yard.now))}`)

    const cut = Date.now()
    const traced = trace(sender, eye, cut)
    space.shape(await eye.lab('ports'), THIN, QUEUE)
    t.diagnostic(`smaller after ${await isWide(eye, false, CUT).catch(error => error.message)} ms`)
    await sleep(CUT - (Date.now() - cut))
    const thin = await inbound(eye)
    const recorded = await eye.record(cut)
    const restored = Date.now()
    space.unshape()
    const back = await isWide(eye, true, 20_000).catch(error => error.message)
    t.diagnostic(`${thin.width} wide at the end of the cut; the largest again after ${back} ms`)
    await sleep(1000)
    const after = await inbound(eye)
    const whole = await eye.record(restored)
    for (const line of await traced()) t.diagnostic(line)

    const during = inspect(recorded.tiles[sender.name].runs, cut, restored)
    const wide = inspect(whole.tiles[sender.name].runs, restored, whole.now)
    t.diagnostic(`thin: ${JSON.stringify(during)}, ${thin.lost - before.lost} lost of pictures, ${thin.lostSounds - before.lostSounds} of sound; held from ${((during.heldAt - cut) / 1000).toFixed(1)} s on`)
    t.diagnostic(`wide again: ${JSON.stringify(wide)}`)
    const share = (after.concealed - before.concealed) / (after.samples - before.samples)
    t.diagnostic(`${(share * 100).toFixed(2)} % of the sound made up`)
    assert.ok(thin.width < WIDE)
    for (const seen of [during, wide]) {
      assert.ok(seen.pictures > 20 && seen.hold < HOLD, `the picture stood still for ${seen.hold} ms`)
    }
    assert.ok(back < BACK, `${back} ms until the largest picture was back`)
    assert.ok(share < CONCEALED, `${share} of the sound made up`)
  })
}
