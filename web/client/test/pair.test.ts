import { describe, expect, it } from 'vitest'
import { choose, Pair } from '../src/pair.js'

const stands = () => true
const over = (carrier: 'mesh' | 'sfu' | undefined, muted = false) => ({ over: carrier, muted })

describe('a pair', () => {
  it('answers an order once every unmuted track is presented over its carrier', () => {
    const pair = new Pair()
    pair.order({ carrier: 'sfu', epoch: 1 })
    expect(pair.fulfilled([over('sfu'), over('mesh')], stands)).toBeUndefined()
    expect(pair.fulfilled([over('sfu'), over('sfu')], stands)).toEqual({ carrier: 'sfu', epoch: 1 })
    expect(pair.fulfilled([over('sfu'), over('sfu')], stands)).toBeUndefined()
  })

  it('waits for no muted track', () => {
    const pair = new Pair()
    pair.order({ carrier: 'sfu', epoch: 1 })
    expect(pair.fulfilled([over('sfu'), over('mesh', true), over(undefined, true)], stands)).toBeDefined()
  })

  it('with nothing to show waits for the carrier to stand', () => {
    const pair = new Pair()
    pair.order({ carrier: 'sfu', epoch: 1 })
    expect(pair.fulfilled([], () => false)).toBeUndefined()
    expect(pair.fulfilled([], (carrier) => carrier === 'sfu')).toBeDefined()
  })

  it('called back half-way answers the newer order alone', () => {
    const pair = new Pair()
    pair.order({ carrier: 'sfu', epoch: 1 })
    pair.order({ carrier: 'mesh', epoch: 2 })
    expect(pair.target).toBe('mesh')
    expect(pair.fulfilled([over('mesh')], stands)).toEqual({ carrier: 'mesh', epoch: 2 })
    expect(pair.fulfilled([over('sfu')], stands)).toBeUndefined()
  })

  it('drops an order of an older epoch', () => {
    const pair = new Pair()
    pair.order({ carrier: 'mesh', epoch: 2 })
    expect(pair.order({ carrier: 'sfu', epoch: 1 })).toBe(false)
    expect(pair.target).toBe('mesh')
  })

  it('answers the same order again when it is given again', () => {
    const pair = new Pair()
    pair.order({ carrier: 'sfu', epoch: 1 })
    pair.fulfilled([], stands)
    pair.order({ carrier: 'sfu', epoch: 1 })
    expect(pair.fulfilled([], stands)).toEqual({ carrier: 'sfu', epoch: 1 })
  })
})

describe('of the ways that a track arrives by', () => {
  const mesh = { by: 'mesh' }
  const sfu = { by: 'sfu' }
  const both = new Map([
    ['mesh', mesh],
    ['sfu', sfu],
  ] as const)

  it('the ordered one is wanted', () => {
    expect(choose('sfu', mesh, both)).toBe(sfu)
  })

  it('the present one stays while the ordered one has not come', () => {
    expect(choose('sfu', mesh, new Map([['mesh', mesh]] as const))).toBe(mesh)
  })

  it('the present one stays while nothing is ordered', () => {
    expect(choose(undefined, sfu, both)).toBe(sfu)
  })

  it('another is better than none when the present one is gone', () => {
    expect(choose('mesh', mesh, new Map([['sfu', sfu]] as const))).toBe(sfu)
    expect(choose('mesh', mesh, new Map())).toBeUndefined()
  })
})
