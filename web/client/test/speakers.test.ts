import { expect, it } from 'vitest'
import { Speakers } from '../src/speakers.js'

const levels = (entries: Record<string, number>) => new Map(Object.entries(entries))

it('a voice begins at once and ends after a pause, the loudest is first', () => {
  const speakers = new Speakers()
  expect(speakers.update(0, levels({ p1: 0.05, p2: 0.2, p3: 0 }))).toEqual(['p2', 'p1'])
  expect(speakers.update(200, levels({ p1: 0, p2: 0.2, p3: 0 }))).toBeUndefined()
  expect(speakers.update(800, levels({ p1: 0, p2: 0.2, p3: 0 }))).toEqual(['p2'])
})

it('a level between the two marks keeps a voice but begins none', () => {
  const speakers = new Speakers()
  expect(speakers.update(0, levels({ p1: 0.015 }))).toBeUndefined()
  expect(speakers.update(200, levels({ p1: 0.03 }))).toEqual(['p1'])
  for (let now = 400; now < 3000; now += 200)
    expect(speakers.update(now, levels({ p1: 0.015 }))).toBeUndefined()
})

it('who has left speaks no more', () => {
  const speakers = new Speakers()
  speakers.update(0, levels({ p1: 0.5 }))
  expect(speakers.update(100, levels({}))).toEqual([])
})
