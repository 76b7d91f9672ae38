// Whole runs of every objective, from records to metrics, against plain torch and transformers on one document at a time
// (test/golden/objectives/make_golden.mjs). test/parity/objectives.test.mjs does the same live, for every family.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../helpers/folders.mjs'
import {
  assertSameRun,
  CELLS,
  lengthsOf,
  ORDERED,
  orderedRows,
  rowLength,
  trainCell,
} from '../helpers/objective_runs.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'objectives')
const { lengths, runs } = JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8'))
const TOLERANCE = 1e-4
const root = temporaryFolder()

for (const [name, cell] of Object.entries(CELLS)) {
  test(`${name}: packed into rows of four micro-batches, ten updates agree with torch to 1e-4`, async () => {
    const length = await rowLength(cell, lengthsOf(cell, lengths), true)
    const out = join(root, name)
    const metrics = await trainCell(join(golden, 'model'), cell, { out, length, rows: 4, accumulation: 4 })
    assertSameRun(metrics, runs[name], TOLERANCE, name)
  })
}

for (const [name, cell] of Object.entries(ORDERED)) {
  test(`${name}: updates that each see a few rows, in our order, agree with torch to 1e-4`, async () => {
    const { options } = await orderedRows(cell, lengthsOf(cell, lengths))
    const metrics = await trainCell(join(golden, 'model'), cell, { out: join(root, `${name}-rows`), ...options })
    assertSameRun(metrics, runs[`${name}, ordered`], TOLERANCE, name)
  })
}
