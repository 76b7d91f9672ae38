// Processes end at any instant of loading and working with the exit code that Node gives them without an addon, and
// never by a crash.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { inLanes, random, report, rounds, seed, sleep, spread, startProgram } from '../helpers/stress.mjs'
import { KINDS } from './jobs/index.mjs'
import { writeInputs } from './jobs/inputs.mjs'

const count = rounds({ quick: 4, full: 100 })
const START_UP = 500 // ms in which a process loads libtorch and starts its first job

const ENDINGS = {
  'process.exit() in the main thread': { ending: 'exit', place: 'main', code: 7 },
  'process.exit() while a worker works': { ending: 'exit', place: 'worker', code: 7 },
  'an uncaught throw': { ending: 'throw', place: 'main', code: 1, err: /thrown on purpose/ },
  'an unhandled rejection': { ending: 'rejection', place: 'main', code: 1, err: /rejected on purpose/ },
  'SIGTERM without a handler': { ending: 'signal', place: 'main', code: null, signal: 'SIGTERM' },
  'process.exit() in a worker': { ending: 'exit', place: 'itself', code: 0, out: /worker 3\n$/ },
  'an uncaught throw in a worker': {
    ...{ ending: 'throw', place: 'itself', code: 0 },
    out: /error thrown on purpose\n(running\n)?worker 1\n$/, // two ports, two orders
  },
  'the end of the main thread, whose worker is unref()ed': { ending: 'unref', place: 'worker', code: 0 },
}

const inputs = await writeInputs(temporaryFolder())

/** One process; resolves with how it ended and how long it took to, in ms. */
async function endOnce({ ending, place }, draw) {
  const from = draw() < 0.5 ? 'start' : 'running'
  const after = draw() * (from === 'start' ? START_UP : 60)
  const kind = KINDS[Math.floor(draw() * KINDS.length)]
  const collecting = draw() < 0.3 // all the time
  const options = { ending, place, kind, inputs, after, from, collecting }
  const { child, ended } = startProgram('ending.mjs', options, { nodeOptions: ['--expose-gc'] })
  if (ending === 'signal') {
    if (from === 'running') await Promise.race([once(child.stdout, 'data'), ended])
    await sleep(after)
    child.kill('SIGTERM')
  }
  const begin = performance.now()
  const end = await ended
  return { ...end, what: `${kind}, ${after} ms from ${from}`, time: performance.now() - begin }
}

for (const [name, ending] of Object.entries(ENDINGS)) {
  test(`${count} times ${name}`, async (t) => {
    const draw = random(seed)
    const times = []
    let running = 0
    await inLanes(count, 2, async () => {
      const { code, signal, out, err, what, time } = await endOnce(ending, draw)
      const expected = { code: ending.code, signal: ending.signal ?? null }
      assert.deepEqual({ code, signal }, expected, `${what}:\n${err}`)
      assert.match(err, ending.err ?? /^$/, what)
      assert.match(out, ending.out ?? /^(running\n)?$/, what)
      if (out.includes('running')) running++
      times.push(time)
    })
    report(t, `${count} ended right, ${running} of them at work; lifetime ${spread(times)}`)
  })
}
