// What writes models, deltas and measurements, ended by force at random instants and at every write-side call: nothing half
// made is taken for whole, inputs stay as they are, and the next run comes to the bytes of an undisturbed one.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { KilledVerb } from '../helpers/killed_verbs.mjs'
import { full, report, rounds } from '../helpers/stress.mjs'

const root = temporaryFolder()
/** Kills at random instants: TONGUEFORGE_KILLS says another number. */
const KILLS = Number(process.env.TONGUEFORGE_KILLS)

/** `step`: a share of the calls outside of a full run; `kills`: in a full run. */
for (const { verb, step, kills } of [
  { verb: 'train', step: 180, kills: 1000 },
  { verb: 'train with rollbacks', step: 150, kills: 100 },
  { verb: 'merge', step: 60, kills: 1000 },
  { verb: 'graft', step: 60, kills: 100 },
  { verb: 'delta extract', step: 60, kills: 100 },
  { verb: 'delta apply', step: 60, kills: 100 },
  { verb: 'evaluate', step: 25, kills: 100 },
  { verb: 'compress', step: 200, kills: 100 },
  { verb: 'adapt', step: 600, kills: 50 },
])
  test(`${verb}: killed at random instants and at every write-side call, it comes to the same bytes`, async (t) => {
    const home = join(root, verb.replaceAll(' ', '_'))
    mkdirSync(home)
    const killed = await KilledVerb.of(verb, home)
    try {
      const count = KILLS || rounds({ quick: verb === 'adapt' ? 1 : 3, full: kills })
      const began = performance.now()
      await killed.atRandomInstants(count, (done) => {
        if (done % 100 === 0) report(t, `${verb}: ${done} kills`)
      })
      const atCalls = await killed.atEveryCall(full ? 1 : step)
      assert.ok(atCalls > 0, 'no write-side call was met')
      const seconds = Math.round((performance.now() - began) / 1000)
      report(
        t,
        `${verb}: ${count} kills at random instants of ${Math.round(killed.time)} ms, ${atCalls} at write-side calls, ` +
          `${killed.resumed} runs resumed, ${seconds} s`,
      )
    } finally {
      await killed.end()
    }
  })
