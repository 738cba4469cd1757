// Large rooms, in which the server sends on the loudest microphones only.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Call, toneOf, until } from '../lab/call.mjs'
import { heard, startSound } from '../lab/sound.mjs'

/** A tone that is heard is louder than this, one that is not is quieter than the second. */
const [SOUND, SILENCE] = [0.02, 0.005]

test('the loudest is heard, and another one when it falls silent', async t => {
  const sound = await startSound()
  t.after(() => sound.stop())
  const set = { 'room.mesh_limit': 2, 'sfu.loudest': 1, 'sfu.loudest_above': 2 }
  const call = await Call.start({ sound, set })
  t.after(() => call.stop())
  const listener = await call.participant({ listen: true, tone: false })
  const speakers = [await call.participant(), await call.participant()]
  const everybody = [listener, ...speakers]
  for (const person of everybody) await person.join()
  await call.reaches('sfu')
  await call.everybodySees(everybody)
  const unheard = async () => Number((await call.server.metrics()).match(/^crescendo_unheard_packets_total (\d+)/m)?.[1] ?? 0)
  await until('one of them to be left out', async () => (await unheard()) > 0)

  const tones = speakers.map(({ number }) => toneOf(number))
  const loud = await until('one tone alone to be heard', async () => {
    const levels = await heard(sound, tones)
    const loudest = levels[0] > levels[1] ? 0 : 1
    return levels[loudest] > SOUND && levels[1 - loudest] < SILENCE && { loudest }
  })
  await speakers[loud.loudest].lab('mute', 'microphone', true)
  await until('the other to be heard', async () => (await heard(sound, tones))[1 - loud.loudest] > SOUND)
  assert.equal(await call.mode(), 'sfu')
  await call.everybodySees(everybody)
})
