// Jobs of one kind after another, each aborted at a random instant, then one that is not. Prints by kind {aborted, ended,
// latencies}, and what the process held before and after all of them. Started with --expose-gc.
import assert from 'node:assert/strict'
import { collected, holdings, settled } from '../helpers/process_state.mjs'
import { random, sleep, withDeadline } from '../helpers/stress.mjs'
import { open, WITH_THREADS } from './jobs/index.mjs'
import { assertSame } from './jobs/same.mjs'

const { count, seed, inputs, kinds: tried } = JSON.parse(process.argv[2])
const draw = random(seed)

/** Aborts a job after some ms. Resolves with {latency}, ms until it rejected, or {said}: it was over. */
async function abortAfter(delay, once) {
  const stop = new AbortController()
  const reason = { name: 'the very reason' }
  const outcome = once({ signal: stop.signal }).then(
    (said) => ({ said }),
    (error) => ({ error }),
  )
  if (delay >= 1) await Promise.race([sleep(delay), outcome])
  const begin = performance.now()
  stop.abort(reason)
  const { said, error } = await withDeadline(outcome, 'an aborted job')
  if (error === undefined) return { said }
  assert.equal(error, reason)
  return { latency: performance.now() - begin }
}

async function abortKind(kind) {
  const { once, close } = await open(kind, inputs)
  const expected = await once()
  const begin = performance.now()
  await once()
  const usual = performance.now() - begin
  const seen = { aborted: 0, ended: 0, latencies: [], usual }
  for (let i = 0; i < count; i++) {
    const { said, latency } = await abortAfter(i === 0 ? 0 : draw() * usual, once)
    if (latency === undefined) {
      seen.ended++
      if (kind !== 'step') assertSame(said, expected, kind, inputs.device)
    } else {
      seen.aborted++
      seen.latencies.push(latency)
    }
    const next = await once()
    if (kind !== 'step') assertSame(next, expected, `${kind}, after an abort`, inputs.device)
  }
  await close()
  return seen
}

// What stays after a first job: those threads, and the files of a GPU that is in use.
for (const kind of [...WITH_THREADS, 'load']) {
  const { once, close } = await open(kind, inputs)
  await once()
  await close()
}
const before = holdings(await collected())
const kinds = {}
for (const kind of tried) {
  try {
    kinds[kind] = await abortKind(kind)
  } catch (error) {
    throw new Error(kind, { cause: error })
  }
}
process.stdout.write(JSON.stringify({ kinds, before, after: holdings(await settled(before)) }))
