// Jobs of one kind with an allocation that fails: the first, the second... until a job asks for no more. Each must end as
// ERR_OUT_OF_MEMORY or give the right answer all the same, and the job after it too. Prints what was seen. Started with
// --expose-gc, behind failing_memory.c.

import assert from 'node:assert/strict'
import { openSync, readSync, writeSync } from 'node:fs'
import { collected, holdings, settled } from '../helpers/process_state.mjs'
import { open } from './jobs/index.mjs'

const { kind, inputs, least, times, most } = JSON.parse(process.argv[2])
/** Kinds that write weights which come of products of matrices. */
const MULTIPLIES = /train|distil|compress|delta|prune|probe|clusters|sweep|evaluate|merge an adapter/
const control = openSync(process.env.FAIL_MEMORY, 'r+')

function arm(at) {
  writeSync(
    control,
    new Uint8Array(BigInt64Array.of(BigInt(least), BigInt(at), BigInt(times), 0n, 0n).buffer),
    0,
    40,
    0,
  )
}

/** Ends the failing; tells how many allocations there were, and how many of them failed. */
function disarm() {
  const numbers = new BigInt64Array(5)
  readSync(control, new Uint8Array(numbers.buffer), 0, 40, 0)
  arm(0)
  return { calls: Number(numbers[3]), failed: Number(numbers[4]) }
}

arm(0)
const seen = { failures: 0, survived: 0, other_bits: 0, codes: {} }
const { once, close } = await open(kind, inputs)
const twin = kind === 'step' ? await open(kind, inputs) : undefined // whose steps nothing disturbs
const expected = await once()
await twin?.once()
const answer = async (said) => same(said, twin ? await twin.once() : expected)

/**
 * A product of matrices that finds no room for its tables is made another way by MKL, with other last bits: numbers may
 * differ by them once something has failed, and so may weights that come of them.
 */
function same(said, expected) {
  if (typeof expected === 'number') {
    if (said === expected) return
    assert.ok(
      seen.failures > 0 && Math.abs(said - expected) <= 1e-3 * (1e-3 + Math.abs(expected)),
      `${said}, ${expected}`,
    )
    seen.other_bits++
  } else if (expected !== null && typeof expected === 'object') {
    assert.deepEqual(Object.keys(said), Object.keys(expected))
    for (const key of Object.keys(expected)) same(said[key], expected[key])
  } else if (said !== expected) {
    assert.ok(
      seen.failures > 0 && MULTIPLIES.test(kind) && /^[0-9a-f]{64}$/.test(expected),
      `${said}, ${expected}`,
    )
    seen.other_bits++
  }
}
await once().then(answer)

const before = holdings(await collected())
arm(2 ** 52)
const undisturbed = await once()
const { calls } = disarm()
await answer(undisturbed)
const stride = Math.max(1, Math.ceil(calls / most))
for (let at = 1; at <= calls; at += stride) {
  arm(at)
  const outcome = await once().then(
    (said) => ({ said }),
    (error) => ({ error }),
  )
  const { failed } = disarm()
  if (failed === 0) continue // fewer than the job before, as its caches are full
  seen.failures++
  if (outcome.error) {
    const { code, message, stack } = outcome.error
    seen.codes[code] = (seen.codes[code] ?? 0) + 1
    if (code !== 'ERR_OUT_OF_MEMORY') seen.example ??= `allocation ${at} of ${calls}: ${message}\n${stack}`
  } else {
    seen.survived++
    await answer(outcome.said)
  }
  await once().then(answer)
}
seen.calls = calls
seen.held = { before, after: holdings(await settled(before)) }
await close()
await twin?.close()
process.stdout.write(JSON.stringify(seen))
