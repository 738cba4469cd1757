import { describe, expect, test } from 'vitest'
import { roomFromPath, roomNameProblem, surprisingRoomName, tidyRoomName } from './room-name'

describe('a room name', () => {
  test.each(['a', 'Monday-stand-up', 'v1.2_x', '...', 'x'.repeat(64)])('%s is fine', (name) => {
    expect(roomNameProblem(name)).toBeUndefined()
  })

  test('may not be empty, dots alone, too long, or hold anything else', () => {
    expect(roomNameProblem('')).toMatch(/Give the room a name/)
    expect(roomNameProblem('.')).toMatch(/Dots alone/)
    expect(roomNameProblem('..')).toMatch(/Dots alone/)
    expect(roomNameProblem('x'.repeat(66))).toMatch(/too long by 2/)
    expect(roomNameProblem('stand up')).toMatch(/Spaces do not work/)
    expect(roomNameProblem('a/b')).toMatch(/“\/” does not work/)
    expect(roomNameProblem('a😀')).toMatch(/“😀” does not work/)
  })

  test('that does not work is tidied into one that does', () => {
    expect(tidyRoomName('Monday stand-up!')).toBe('Monday-stand-up')
    expect(tidyRoomName('Réunion d’équipe')).toBe('Reunion-d-equipe')
    expect(tidyRoomName('  ')).toBe('')
  })

  test('that surprises always works, at both ends of the dice', () => {
    for (const roll of [0, 0.5, 0.999999])
      expect(roomNameProblem(surprisingRoomName(() => roll))).toBeUndefined()
    expect(surprisingRoomName(() => 0)).toBe('amber-allegro-100')
  })
})

describe('the room of a page', () => {
  test('is the last segment of its path', () => {
    expect(roomFromPath('/r/demo')).toBe('demo')
    expect(roomFromPath('/watch/demo/')).toBe('demo')
  })

  test.each(['/', '/r/', '/r/a/b', '/r/a%20b', '/r/%E0%A4%A', '/r/..', '/x/demo'])(
    'is nothing for %s',
    (path) => {
      expect(roomFromPath(path)).toBeUndefined()
    },
  )
})
