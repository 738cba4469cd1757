// A short run of `make bench-switch`: what it prints is for the reader, what it fails on is for everybody.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faults, measure, table } from '../lab/switches.mjs'

const switches = Number(process.env.SWITCHES ?? 3)

for (const [name, options] of [
  ['four people in Chromium keep seeing each other while a fifth comes and goes', { switches }],
  ['and while one of them has the tab hidden', { switches: 1, hidden: true }],
  ['and in Firefox', { switches: 1, browser: 'firefox' }],
]) {
  test(name, async t => {
    const result = await measure({ ...options, say: line => t.diagnostic(line) })
    for (const line of table(result).split('\n')) t.diagnostic(line)
    assert.deepEqual(faults(result), [])
  })
}
