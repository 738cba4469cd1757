import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { layersOf, scaleOf } from '../src/layers.js'
import { View } from '../src/view.js'
import { FakePlatform } from './fake-platform.js'

describe('a picture is sent', () => {
  const of = (width: number, height: number, spread = true) => layersOf({ width, height }, 3, spread)

  it('in three sizes when it is large', () => expect(of(1280, 720)).toEqual([true, true, true]))
  it('whole when it is small', () => expect(of(640, 480)).toEqual([false, false, true]))
  it('whole when nothing is known', () => expect(of(0, 0)).toEqual([false, false, true]))
  it('whole while nobody can choose', () => expect(of(1280, 720, false)).toEqual([false, false, true]))
  it('whole where the server asks for one size', () =>
    expect(layersOf({ width: 1280, height: 720 }, 1, true)).toEqual([true]))
  it('each size half as wide as the next', () =>
    expect([0, 1, 2].map((index) => scaleOf(index, 3))).toEqual([4, 2, 1]))
})

describe('the size that a picture is shown in', () => {
  const platform = new FakePlatform()
  const said: unknown[] = []
  let mayPause = true
  let view: View
  const element = (name: string) => ({ name }) as unknown as HTMLElement
  const [tile, other] = [element('tile'), element('other')]
  const shown = (of: HTMLElement, width: number, height: number) =>
    platform.views.get(of)?.({ width, height })

  beforeEach(() => {
    vi.useFakeTimers()
    said.length = 0
    mayPause = true
    view = new View({
      platform: platform.as(),
      say: ({ width, height }, layer) => said.push([width, height, ...(layer ? [layer] : [])]),
      mayPause: () => mayPause,
    })
    view.watch(tile)
  })
  afterEach(() => {
    view.close()
    vi.useRealTimers()
  })

  it('is told once it lasts, and not again while it is about the same', () => {
    for (const width of [100, 200, 320]) shown(tile, width, 180)
    expect(said).toEqual([])
    vi.advanceTimersByTime(500)
    expect(said).toEqual([[320, 180]])
    shown(tile, 330, 185)
    vi.advanceTimersByTime(500)
    expect(said).toHaveLength(1)
    shown(tile, 640, 360)
    vi.advanceTimersByTime(500)
    expect(said.at(-1)).toEqual([640, 360])
  })

  it('is that of the largest element, and not told before all have been measured', () => {
    view.watch(other)
    shown(tile, 320, 180)
    vi.advanceTimersByTime(500)
    expect(said).toEqual([])
    shown(other, 100, 100)
    vi.advanceTimersByTime(500)
    expect(said).toEqual([[320, 180]])
    view.unwatch(tile)
    vi.advanceTimersByTime(500)
    expect(said.at(-1)).toEqual([100, 100])
  })

  it('is nothing out of view, where that is allowed, and what it was when it has to prove itself', () => {
    shown(tile, 320, 180)
    vi.advanceTimersByTime(500)
    shown(tile, 0, 0)
    vi.advanceTimersByTime(500)
    expect(said.at(-1)).toEqual([0, 0])
    mayPause = false
    view.settle()
    expect(said.at(-1)).toEqual([320, 180])
    mayPause = true
    view.settle()
    vi.advanceTimersByTime(500)
    expect(said.at(-1)).toEqual([0, 0])
    shown(tile, 320, 180)
    vi.advanceTimersByTime(500)
    expect(said.at(-1)).toEqual([320, 180])
  })

  it('is not told to be nothing before it has been seen and may pause', () => {
    mayPause = false
    shown(tile, 0, 0)
    vi.advanceTimersByTime(500)
    expect(said).toEqual([])
  })

  it('is bounded by what the app prefers', () => {
    view.prefer('low')
    expect(said).toEqual([[65_535, 65_535, 'low']])
    shown(tile, 640, 360)
    vi.advanceTimersByTime(500)
    expect(said.at(-1)).toEqual([640, 360, 'low'])
    view.prefer(undefined)
    expect(said.at(-1)).toEqual([640, 360])
  })
})
