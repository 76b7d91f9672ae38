// Worker threads end by terminate() at any instant while the addon loads and works in them.
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { report, rounds, runProgram, seed, spread } from '../helpers/stress.mjs'
import { writeModels } from './models.mjs'

const count = rounds({ quick: 6, full: 100 })
const START_UP = 300 // ms in which a worker loads libtorch and starts its first job

for (const [where, loadInMain] of [
  ['in the main thread too', true],
  ['in workers only', false],
]) {
  test(`${count} workers are terminated, the addon loaded ${where}`, async (t) => {
    const folders = await writeModels(temporaryFolder())
    const options = { count, seed, folders, loadInMain, startUp: START_UP }
    const { times, running } = await runProgram('terminate_workers.mjs', options, { deadline: 600_000 })
    report(t, `${times.length} terminated, ${running} of them at work: ${spread(times)}`)
  })
}
