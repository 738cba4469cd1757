import { expect, it } from 'vitest'
import { Gaps } from '../src/gaps.js'

it('the longest gap of the last five seconds is forgotten after five seconds, the longest ever is not', () => {
  const gaps = new Gaps()
  for (const now of [0, 100, 400, 500, 600]) gaps.frame(now)
  expect(gaps.recent(600)).toBe(300)
  for (let now = 700; now <= 6000; now += 100) gaps.frame(now)
  expect(gaps.recent(6000)).toBe(100)
  expect(gaps.longest(6000)).toBe(300)
})

it('a gap that goes on counts', () => {
  const gaps = new Gaps()
  gaps.frame(0)
  expect(gaps.recent(250)).toBe(250)
})

it('a pause is no gap', () => {
  const gaps = new Gaps()
  gaps.frame(0)
  gaps.pause()
  gaps.frame(1000)
  gaps.frame(1040)
  expect(gaps.longest(1040)).toBe(40)
})
