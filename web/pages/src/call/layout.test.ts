import { describe, expect, test } from 'vitest'
import { type Box, type Size, grid, spotlight } from './layout'

const AREAS: Record<string, Size> = {
  desktop: { width: 1248, height: 656 },
  'tall phone': { width: 370, height: 700 },
  'lying phone': { width: 800, height: 280 },
  sliver: { width: 120, height: 500 },
}

function overlap(a: Box, b: Box): boolean {
  const apart = 0.01
  return (
    a.x + a.width > b.x + apart &&
    b.x + b.width > a.x + apart &&
    a.y + a.height > b.y + apart &&
    b.y + b.height > a.y + apart
  )
}

/** What is wrong with the places of some tiles. */
function faults(boxes: Box[], area: Size): string[] {
  const found: string[] = []
  boxes.forEach((box, index) => {
    if (box.x < -0.01 || box.y < -0.01) found.push(`${index} of ${boxes.length} begins outside`)
    if (box.x + box.width > area.width + 0.01) found.push(`${index} of ${boxes.length} is too far right`)
    if (box.y + box.height > area.height + 0.01) found.push(`${index} of ${boxes.length} is too far down`)
    if (boxes.slice(index + 1).some((other) => overlap(box, other)))
      found.push(`${index} of ${boxes.length} covers another`)
  })
  return found
}

describe.each(Object.entries(AREAS))('on a %s', (_, area) => {
  test('any number of tiles has a place of its own inside the area', () => {
    for (let count = 1; count <= 60; count += 1) {
      const { boxes, height } = grid(count, area)
      expect(boxes).toHaveLength(count)
      expect(faults(boxes, { width: area.width, height })).toEqual([])
    }
  })

  test('what is large and what is small never cover each other', () => {
    for (let large = 1; large <= 3; large += 1) {
      for (let small = 0; small <= 30; small += 1) {
        const { boxes, height } = spotlight(large, small, area)
        expect(boxes).toHaveLength(large + small)
        if (area.width > 300) expect(faults(boxes, { width: area.width, height })).toEqual([])
      }
    }
  })
})

describe('the grid', () => {
  test('has nothing to place for nobody, or where there is no room', () => {
    expect(grid(0, { width: 800, height: 600 }).boxes).toEqual([])
    expect(grid(3, { width: 0, height: 0 }).boxes).toEqual([])
  })

  test('puts two side by side on a wide screen and above each other on a phone', () => {
    const [a, b] = grid(2, { width: 1248, height: 656 }).boxes
    expect(a?.y).toBe(b?.y)
    const [c, d] = grid(2, { width: 370, height: 700 }).boxes
    expect(c?.x).toBe(d?.x)
  })

  test('does not scroll for nine on a desktop, and does for sixty on a phone', () => {
    expect(grid(9, { width: 1248, height: 656 }).height).toBe(656)
    expect(grid(60, { width: 370, height: 700 }).height).toBeGreaterThan(700)
  })

  test('centres the last row', () => {
    const area = { width: 1000, height: 600 }
    const last = grid(3, area).boxes[2]
    expect((last?.x ?? 0) + (last?.width ?? 0) / 2).toBeCloseTo(500)
  })
})

describe('the spotlight', () => {
  test('gives what is large most of the area', () => {
    const area = { width: 1248, height: 656 }
    const [large] = spotlight(1, 6, area).boxes
    expect((large?.width ?? 0) * (large?.height ?? 0)).toBeGreaterThan(0.6 * area.width * area.height)
  })

  test('does not scroll beside a screen for a dozen on a desktop', () => {
    expect(spotlight(1, 12, { width: 1248, height: 656 }).height).toBe(656)
  })
})
