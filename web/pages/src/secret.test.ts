import { expect, it } from 'vitest'
import { newSecretHash, secretOf } from './secret'

it('a secret survives in a link', () => {
  const hashes = Array.from({ length: 50 }, newSecretHash)
  expect(new Set(hashes).size).toBe(50)
  for (const hash of hashes) expect(secretOf(hash)).toHaveLength(16)
})

it('a link without a secret, or with a part of one, is told apart', () => {
  expect(secretOf('')).toBe(undefined)
  expect(secretOf('#top')).toBe(undefined)
  expect(secretOf(newSecretHash().slice(0, -1))).toBe(null)
  expect(secretOf('#key=')).toBe(null)
})
