// Models that are loaded and disposed of leave nothing behind: no memory, no thread, no open file.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { holdings, leak, warm } from '../helpers/process_state.mjs'
import { full, report, rounds, runProgram } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { device } from './jobs/inputs.mjs'

const count = rounds({ quick: 200, full: 10_000 })
const LIMIT = 500 // bytes a cycle

test(`${count} models are loaded and disposed of in flat memory`, async (t) => {
  const folder = await writeTinyModel(join(temporaryFolder(), 'model'))
  // Garbage that V8 has not yet collected is no leak: little room for it makes a leak stand out.
  const settings = { deadline: 1_800_000, nodeOptions: ['--expose-gc', '--max-semi-space-size=1'] }
  const { samples, ms } = await runProgram('load_dispose.mjs', { count, folder, device }, settings)
  const later = warm(samples)
  const { upper, text } = leak(later)
  const { threads, open_files, tensors } = later.at(-1)
  report(
    t,
    `${count} cycles of ${(ms / count).toFixed(2)} ms; ${text}; ` +
      `${threads} threads, ${open_files} open files, ${tensors.count} tensors`,
  )
  assert.deepEqual(holdings(later.at(-1)), holdings(later[0]))
  // A leaked model would be half a million bytes a cycle, a leaked job some hundreds. RSS itself wanders by a
  // megabyte: over 100,000 cycles the slope was 10 bytes.
  if (full) assert.ok(upper < LIMIT, `RSS grows by up to ${upper} bytes a cycle`)
})
