// Two rooms in one page: what each check does and what has to hold. `window.run()` gives a list of findings.
import { browser, type Platform } from '../src/platform.js'
import type { RemoteTrack } from '../src/remote-track.js'
import { Room } from '../src/room.js'
import { PageSocket, World } from './world.js'

const SWAPS = Number(new URLSearchParams(location.search).get('swaps') ?? 4)
const W = 160
const H = 120
const BITS = 12

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))

/** A picture that counts: one cell a bit, a white one before and a black one after. */
function countingCamera() {
  const canvas = Object.assign(document.createElement('canvas'), { width: W, height: H })
  const context = canvas.getContext('2d')!
  let n = 0
  setInterval(() => {
    n = (n + 1) % (1 << BITS)
    for (let cell = 0; cell < 16; cell++) {
      const lit = cell === 0 || cell === 15 || (cell >= 2 && cell < 14 && (n >> (cell - 2)) & 1)
      context.fillStyle = lit ? '#fff' : '#000'
      context.fillRect((cell % 4) * (W / 4), Math.floor(cell / 4) * (H / 4), W / 4, H / 4)
    }
  }, 66)
  return canvas.captureStream().getVideoTracks()[0]!
}

const probe = Object.assign(document.createElement('canvas'), { width: W, height: H })
const probeContext = probe.getContext('2d', { willReadFrequently: true })!

/** The count that a video shows, or undefined when it shows none. */
function read(video: HTMLVideoElement): number | undefined {
  probeContext.fillStyle = '#f0f'
  probeContext.fillRect(0, 0, W, H)
  probeContext.drawImage(video, 0, 0, W, H)
  const { data } = probeContext.getImageData(0, 0, W, H)
  const lit = (cell: number) => {
    const x = (cell % 4) * (W / 4) + W / 8
    const y = Math.floor(cell / 4) * (H / 4) + H / 8
    return data[(y * W + x) * 4 + 1]! > 128
  }
  if (!lit(0) || lit(1) || !lit(15) || lit(14)) return undefined
  let n = 0
  for (let bit = 0; bit < BITS; bit++) if (lit(bit + 2)) n |= 1 << bit
  return n
}

function tone(hz: number) {
  const context = new AudioContext()
  const oscillator = new OscillatorNode(context, { frequency: hz })
  const destination = new MediaStreamAudioDestinationNode(context)
  oscillator.connect(destination)
  oscillator.start()
  return destination.stream.getAudioTracks()[0]!
}

/** Watches a container and the sounds until stopped. */
function watch(box: HTMLElement, sounds: HTMLElement) {
  let on = true
  let blank = 0
  let doubled = 0
  let hold = 0
  let samples = 0
  let silent = 0
  let since = performance.now()
  let last: number | undefined
  const loop = (async () => {
    while (on) {
      await frame()
      samples++
      const shown = box.querySelectorAll<HTMLVideoElement>('.crescendo-shown')
      const top = shown[0]
      const count = shown.length === 1 && top ? read(top) : undefined
      if (shown.length !== 1) doubled++
      if (count === undefined) blank++
      else if (count !== last) {
        hold = Math.max(hold, performance.now() - since)
        since = performance.now()
        last = count
      }
      const sounding = [...sounds.querySelectorAll('audio')].filter((audio) => !audio.muted)
      if (sounding.length !== 1) silent++
    }
  })()
  return async () => {
    on = false
    await loop
    return { blank, doubled, silent, hold: Math.round(Math.max(hold, performance.now() - since)), samples }
  }
}

function box(name: string) {
  const element = document.createElement('div')
  element.id = name
  element.style.cssText = `width:${W}px;height:${H}px;background:#f0f;display:inline-block`
  document.body.append(element)
  return element
}

/** Another tab comes to the front, or goes. */
declare const hide: () => Promise<void>
declare const unhide: () => Promise<void>

const findings: { at: number; name: string; ok: boolean; detail: unknown }[] = []
const expect = (name: string, ok: boolean, detail: unknown = '') =>
  void findings.push({ at: performance.now(), name, ok, detail })

async function eventually(what: string, holds: () => boolean | Promise<boolean>, ms = 8000) {
  const end = performance.now() + ms
  while (performance.now() < end) {
    if (await holds()) return expect(what, true)
    await sleep(50)
  }
  expect(what, false, `not in ${ms} ms`)
}

const packets = ({ audio, video }: { audio: number; video: number }) => audio + video

const trackOf = (room: Room, source: string): RemoteTrack | undefined => {
  for (const { tracks } of room.participants.values())
    for (const track of tracks.values()) if (track.source === source) return track
  return undefined
}

async function run() {
  const world = new World()
  const platform: Platform = { ...browser, socket: () => new PageSocket(world) as never }
  const room = (name: string) => new Room({ room: 'check', name, url: 'ws://in.page' }, platform)
  const ann = room('Ann')
  const bob = room('Bob')
  const errors: string[] = []
  const spoken = new Set<string>()
  ann.on('active-speakers', (ids) => ids.forEach((id) => spoken.add(id)))
  for (const each of [ann, bob]) each.on('error', ({ code, message }) => errors.push(`${code}: ${message}`))
  const stage = box('stage')
  const sounds = box('sounds')
  const own = document.createElement('video')
  own.muted = true
  document.body.append(own)
  // Ann shows Bob in a container; Bob shows Ann in a video element of the app.
  ann.on('track-added', (track) =>
    track.attach(track.kind === 'video' && track.source === 'camera' ? stage : sounds),
  )
  bob.on('track-added', (track) => {
    if (track.source === 'camera') track.attach(own)
    else if (track.kind === 'audio') track.attach(document.createElement('div'))
  })
  await ann.join({ stream: new MediaStream([countingCamera(), tone(400)]) })
  await bob.join({ stream: new MediaStream([countingCamera(), tone(600)]) })

  expect('codecs', browser.decodes().length > 0, browser.decodes())
  const begun = performance.now()
  world.link()
  await world.until(
    'mesh links',
    () => world.of('link-state').filter(({ state }) => state === 'connected').length === 2,
  )
  await world.order('mesh')
  expect('mesh is shown', true, `${Math.round(performance.now() - begun)} ms after link-open`)
  expect(
    'one offer and one answer',
    world.of('link-description').length === 2,
    world.of('link-description').length,
  )
  await eventually('the container counts', () => {
    const video = stage.querySelector<HTMLVideoElement>('.crescendo-shown')
    return video !== null && read(video) !== undefined
  })
  await eventually('the own video counts', () => read(own) !== undefined)

  await world.warm()
  await sleep(800)
  expect(
    'a warm up transport sends nothing',
    packets(await world.received('p1')) === 0,
    await world.received('p1'),
  )

  const yardstick = watch(stage, sounds)
  await sleep(3000)
  expect('without a swap', true, await yardstick())
  for (let n = 0; n < SWAPS; n++) {
    let watching = watch(stage, sounds)
    let from = performance.now()
    world.mode('promoting')
    world.sendUp(true)
    await world.order('sfu')
    const up = Math.round(performance.now() - from)
    world.mode('sfu')
    await sleep(100)
    world.unlink()
    await sleep(1500)
    let seen = await watching()
    expect(`promotion ${n}`, seen.blank === 0 && seen.doubled === 0 && seen.silent === 0, { ms: up, ...seen })
    expect(
      `paths after promotion ${n}`,
      (await ann.stats()).every(({ path }) => path === 'sfu'),
    )
    expect(`the own video counts after promotion ${n}`, read(own) !== undefined)
    watching = watch(stage, sounds)
    from = performance.now()
    world.mode('demoting')
    const before = world.of('link-state').length
    world.link()
    await world.until('links again', () => world.of('link-state').length >= before + 2)
    await world.order('mesh')
    const down = Math.round(performance.now() - from)
    world.mode('mesh')
    world.sendUp(false)
    await sleep(1500)
    seen = await watching()
    expect(`demotion ${n}`, seen.blank === 0 && seen.doubled === 0 && seen.silent === 0, {
      ms: down,
      ...seen,
    })
    expect(
      `paths after demotion ${n}`,
      (await ann.stats()).every(({ path }) => path === 'mesh'),
    )
  }
  const still = packets(await world.received('p1'))
  await sleep(500)
  expect('the up transport is silent again', packets(await world.received('p1')) === still)

  const screen = countingCamera()
  const local = await bob.publish(screen, { source: 'screen' })
  await eventually('a screen arrives over mesh', () => trackOf(ann, 'screen')?.over === 'mesh')
  await bob.unpublish(local)
  await eventually('and goes', () => trackOf(ann, 'screen') === undefined)

  const counts = () => stage.querySelector<HTMLVideoElement>('.crescendo-shown')
  await bob.mute('camera', true)
  await eventually('a muted camera is told', () => trackOf(ann, 'camera')?.muted === true)
  await sleep(500)
  const decoded = async () => (await ann.stats()).find(({ source }) => source === 'camera')?.framesDecoded
  const before = await decoded()
  await sleep(700)
  const after = await decoded()
  // Firefox lets one last black frame out.
  const last = before !== undefined && after !== undefined ? after - before : undefined
  expect('a muted camera sends no picture', last !== undefined && last <= 1, { before, after })
  const frozen = counts() && read(counts()!)
  await bob.mute('camera', false)
  await eventually('and counts again when unmuted', () => (counts() && read(counts()!)) !== frozen)
  await bob.replaceTrack('camera', countingCamera())
  await sleep(1500)
  const replaced = read(counts()!)
  await eventually('a replaced camera counts on', () => read(counts()!) !== replaced)

  expect('the other voice is heard', spoken.has('p2'), [...spoken])
  expect(
    'statistics',
    true,
    (await ann.stats()).map((entry) => ({ ...entry })),
  )
  await bob.publish(countingCamera(), { source: 'screen' })
  world.mode('promoting')
  world.sendUp(true)
  await world.order('sfu')
  expect('a track without an element is proven too', trackOf(ann, 'screen')?.over === 'sfu')

  world.mode('sfu')
  await sleep(100)
  world.unlink()
  await hide()
  await sleep(1500)
  const links = world.of('link-state').length
  const hidden = performance.now()
  world.link()
  await world.until('links of a hidden page', () => world.of('link-state').length >= links + 2, 20_000)
  await world.order('mesh')
  expect('a hidden page moves too', document.hidden, { ms: Math.round(performance.now() - hidden) })
  await unhide()
  await eventually(
    'and shows it when it is seen again',
    () => counts() !== null && read(counts()!) !== undefined,
  )
  expect('no errors', errors.length === 0, errors)
  const leftovers = () => document.querySelectorAll('.crescendo-video, .crescendo-audio').length
  await ann.leave()
  await bob.leave()
  await sleep(300)
  expect('leaving takes every element away', leftovers() === 0, leftovers())
  return findings
}

Object.assign(window, {
  run: () =>
    run().catch((error: Error) => [
      ...findings,
      { at: performance.now(), name: 'ran to the end', ok: false, detail: String(error.stack) },
    ]),
})
