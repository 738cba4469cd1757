import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { mediaOf } from '../src/media.js'
import { OwnVideo } from '../src/own-video.js'
import { RemoteTrack } from '../src/remote-track.js'
import { Sound } from '../src/sound.js'
import { FakeReceiver, FakeTrack } from './fake-peer.js'
import { FakeElement, FakePlatform } from './fake-platform.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function way(kind: string) {
  const receiver = new FakeReceiver(new FakeTrack(kind))
  return { receiver, media: mediaOf(receiver as never) }
}

/** Sound arrives: 480 samples each 10 ms, of which `removed` are skipped for `ms`. */
function sounding(receiver: FakeReceiver, removedForMs = 0) {
  const begun = performance.now()
  const timer = setInterval(() => {
    const inbound = receiver.inbound
    inbound.packetsReceived = (inbound.packetsReceived ?? 0) + 1
    inbound.totalSamplesReceived = (inbound.totalSamplesReceived ?? 0) + 480
    if (performance.now() - begun < removedForMs) {
      inbound.removedSamplesForAcceleration = (inbound.removedSamplesForAcceleration ?? 0) + 10
    }
  }, 10)
  return () => clearInterval(timer)
}

const speaker = () => ({ device: '', blocked: vi.fn() })

function sound(platform = new FakePlatform()) {
  const element = new FakeElement('AUDIO')
  const output = speaker()
  const sink = new Sound(platform.as(), output, element as never)
  const [one, two] = platform.elements
  if (!one || !two) throw new Error('two elements')
  const heard = () => [one, two].filter(({ muted, srcObject }) => !muted && srcObject).length
  return { element, sink, one, two, heard, output }
}

it('sound is flipped when the new path is steady, never doubled and never missing', async () => {
  const { sink, one, two, heard } = sound()
  const [old, next] = [way('audio'), way('audio')]
  sounding(old.receiver)
  sink.show(old.media, () => {})
  await vi.advanceTimersByTimeAsync(500)
  expect(heard()).toBe(1)
  const done = vi.fn()
  sounding(next.receiver, 600)
  sink.show(next.media, done)
  for (let ms = 0; ms < 600; ms += 10) {
    await vi.advanceTimersByTimeAsync(10)
    expect([heard(), one.muted, two.muted]).toEqual([1, false, true])
  }
  expect(done).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(400)
  expect(done).toHaveBeenCalledOnce()
  expect([heard(), one.muted, two.muted]).toEqual([1, true, false])
})

it('sound that never settles is taken after a while', async () => {
  const { sink, two } = sound()
  const [old, next] = [way('audio'), way('audio')]
  sink.show(old.media, () => {})
  sounding(next.receiver, 60_000)
  sink.show(next.media, () => {})
  await vi.advanceTimersByTimeAsync(1900)
  expect(two.muted).toBe(true)
  await vi.advanceTimersByTimeAsync(400)
  expect(two.muted).toBe(false)
})

it('samples that the browser makes up are no proof', async () => {
  const { sink, one } = sound()
  const next = way('audio')
  sink.show(way('audio').media, () => {})
  sink.show(next.media, () => {})
  for (let ms = 0; ms < 5000; ms += 10) {
    const { inbound } = next.receiver
    inbound.totalSamplesReceived = inbound.concealedSamples = (inbound.concealedSamples ?? 0) + 480
    await vi.advanceTimersByTimeAsync(10)
  }
  expect(one.muted).toBe(false)
})

it('a new path that brings no sound changes nothing', async () => {
  const { sink, one, heard } = sound()
  sink.show(way('audio').media, () => {})
  sink.show(way('audio').media, () => {})
  await vi.advanceTimersByTimeAsync(10_000)
  expect([heard(), one.muted]).toEqual([1, false])
})

it('volume and mute of the app element are followed across a swap', async () => {
  const { sink, element, one, two, heard } = sound()
  const [old, next] = [way('audio'), way('audio')]
  sink.show(old.media, () => {})
  element.volume = 0.3
  element.dispatchEvent(new Event('volumechange'))
  expect(one.volume).toBe(0.3)
  sounding(next.receiver)
  sink.show(next.media, () => {})
  await vi.advanceTimersByTimeAsync(1000)
  expect([two.volume, two.muted]).toEqual([0.3, false])
  element.muted = true
  element.dispatchEvent(new Event('volumechange'))
  expect(heard()).toBe(0)
})

it('sound that the browser does not allow yet is proven by its packets and begins with a gesture', async () => {
  const { sink, one, output } = sound()
  const { media, receiver } = way('audio')
  one.play = () => Promise.reject(Object.assign(new Error(), { name: 'NotAllowedError' }))
  const done = vi.fn()
  sink.show(media, done)
  await vi.advanceTimersByTimeAsync(100)
  receiver.inbound.packetsReceived = 5
  await vi.advanceTimersByTimeAsync(100)
  expect(done).toHaveBeenCalledOnce()
  const play = vi.fn(async () => {})
  one.play = play
  output.blocked.mock.calls[0]?.[0]()
  expect(play).toHaveBeenCalledOnce()
})

/** A picture that replaces another one is at `element` and waits for even frames; these are `gaps` ms apart. */
async function frames(element: FakeElement | undefined, gaps: number[], meanwhile = () => {}) {
  element?.present()
  for (const gap of gaps) {
    await vi.advanceTimersByTimeAsync(gap)
    meanwhile()
    element?.present()
  }
  await vi.advanceTimersByTimeAsync(1)
}

function replacing() {
  const platform = new FakePlatform()
  const element = new FakeElement('VIDEO')
  const sink = new OwnVideo(platform.as(), element as never, () => {})
  const [old, next] = [way('video'), way('video')]
  sink.show(old.media, () => {})
  element.present()
  const done = vi.fn()
  sink.show(next.media, done)
  return { helper: platform.elements[0], element, done, old, next }
}

it('a picture that replaces a moving one is shown when it moves evenly', async () => {
  const { helper, element, done } = replacing()
  const moves = () => element.present()
  await frames(helper, [20, 150, 20, 150, 20], moves)
  expect(done).not.toHaveBeenCalled()
  await frames(helper, [60, 60, 60, 60], moves)
  expect(done).toHaveBeenCalledOnce()
})

it('one that never moves evenly is shown after a while', async () => {
  const { helper, element, done } = replacing()
  await frames(helper, [20, 150, 20, 150, 20, 150, 20, 150, 20, 150], () => element.present())
  expect(done).toHaveBeenCalledOnce()
})

it('one that replaces a picture that stands still is shown at once', async () => {
  const { helper, done } = replacing()
  await vi.advanceTimersByTimeAsync(1000)
  await frames(helper, [])
  expect(done).toHaveBeenCalledOnce()
})

it('an own video keeps its track until the helper has a frame, then has the new one alone', async () => {
  const { helper, element, done, old, next } = replacing()
  await vi.advanceTimersByTimeAsync(1000)
  expect(element.srcObject?.tracks).toEqual([old.media.track])
  helper?.present()
  expect(element.srcObject?.tracks).toEqual([old.media.track])
  await vi.advanceTimersByTimeAsync(1)
  expect(element.srcObject?.tracks).toEqual([next.media.track])
  expect(done).toHaveBeenCalledOnce()
})

function remote(muted = false) {
  const platform = new FakePlatform()
  const moved = vi.fn()
  const host = { platform: platform.as(), speaker: speaker(), moved, send: vi.fn() }
  const track = new RemoteTrack({ id: 't1', source: 'camera', muted }, 'p2', host)
  const element = new FakeElement('VIDEO')
  return { platform, track, element, moved }
}

it('a track called back half-way stays where it was and needs no new proof', async () => {
  const { platform, track, element } = remote()
  const [mesh, sfu] = [way('video'), way('video')]
  track.attach(element as never)
  track.setWay('mesh', mesh.media)
  element.present()
  await vi.advanceTimersByTimeAsync(10)
  expect(track.over).toBe('mesh')
  track.setWay('sfu', sfu.media)
  track.aim('sfu')
  expect(track.over).toBe('mesh')
  track.aim('mesh')
  expect(track.over).toBe('mesh')
  platform.elements[0]?.present()
  await vi.advanceTimersByTimeAsync(10)
  expect(element.srcObject?.tracks).toEqual([mesh.media.track])
})

it('a track in several elements has moved when all of them have', async () => {
  const { track, element } = remote()
  const second = new FakeElement('VIDEO')
  track.attach(element as never)
  track.attach(second as never)
  track.setWay('mesh', way('video').media)
  element.present()
  await vi.advanceTimersByTimeAsync(10)
  expect(track.over).toBeUndefined()
  second.present()
  await vi.advanceTimersByTimeAsync(10)
  expect(track.over).toBe('mesh')
})

it('an element that is taken away is waited for no more', async () => {
  const { track, element } = remote()
  const second = new FakeElement('VIDEO')
  track.attach(element as never)
  track.attach(second as never)
  track.setWay('mesh', way('video').media)
  element.present()
  await vi.advanceTimersByTimeAsync(10)
  track.detach(second as never)
  expect(track.over).toBe('mesh')
  expect(second.srcObject).toBeNull()
})

it('a path that is lost while another is there is left for it, with the old picture until then', async () => {
  const { platform, track, element } = remote()
  const [mesh, sfu] = [way('video'), way('video')]
  track.aim('mesh')
  track.attach(element as never)
  track.setWay('mesh', mesh.media)
  element.present()
  await vi.advanceTimersByTimeAsync(10)
  track.setWay('sfu', sfu.media)
  track.setWay('mesh', undefined)
  await vi.advanceTimersByTimeAsync(500)
  expect(element.srcObject?.tracks).toEqual([mesh.media.track])
  platform.elements[0]?.present()
  await vi.advanceTimersByTimeAsync(10)
  expect(element.srcObject?.tracks).toEqual([sfu.media.track])
  expect(track.over).toBe('sfu')
})
