import { expect, test } from 'vitest'
import { handOver, handedOver, parseChoices, remember, remembered, takeBack } from './preferences'

/** Storage as browsers have it, as far as it is used. */
function storage(): Storage {
  const kept = new Map<string, string>()
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  } as unknown as Storage
}

test('choices are handed over to one room, until they are taken back', () => {
  const tab = storage()
  const choices = { name: 'Ann', camera: false, microphone: true, cameraId: 'c1' }
  handOver('demo', choices, tab)
  expect(handedOver('demo', tab)).toEqual(choices)
  expect(handedOver('other', tab)).toBeUndefined()
  takeBack(tab)
  expect(handedOver('demo', tab)).toBeUndefined()
})

test('a first visit has everything on and no name', () => {
  expect(remembered(storage())).toEqual({ name: '', camera: true, microphone: true })
})

test('what was chosen is remembered', () => {
  const browser = storage()
  remember({ name: 'Ann', camera: true, microphone: false }, browser)
  expect(remembered(browser)).toEqual({ name: 'Ann', camera: true, microphone: false })
})

test('a browser without storage works', () => {
  expect(() => remember({ name: 'Ann', camera: true, microphone: true }, undefined)).not.toThrow()
  expect(remembered(undefined).name).toBe('')
})

test('what lies in storage may be anything', () => {
  expect(parseChoices('x')).toBeUndefined()
  expect(parseChoices({ name: 7, camera: 'no', cameraId: {} })).toEqual({
    name: '',
    camera: true,
    microphone: true,
  })
})
