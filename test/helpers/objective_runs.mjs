// Runs of `train` that are compared with plain torch: test/parity/objectives_reference.py makes the folders they start
// from and the same runs by itself. A cell is an objective, its loss, and the records that it reads.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bestFit } from '#lib/text/best_fit'
import { orderOf } from '#lib/text/packing'
import { train } from '#lib/verbs/train'
import { assertClose } from './decoder_parity.mjs'
import { objectivesReference } from './reference.mjs'

const cell = (objective, loss, schedule, more = {}) => ({ objective, loss, schedule, ...more })
const texts = { records: 'texts' }
const pairs = { records: 'pairs' }

export const CELLS = {
  cp: cell('cp', 'all', 'cosine', texts),
  inscp: cell('inscp', 'all', 'linear', texts),
  'inscp, assistant': cell('inscp', 'assistant', 'cosine', texts),
  'inscp, body': cell('inscp', 'body', 'constant', texts),
  sft: cell('sft', 'assistant', 'linear', { records: 'chats' }),
  dpo: cell('dpo', 'sigmoid', 'cosine', { ...pairs, beta: 0.3 }),
  ipo: cell('dpo', 'ipo', 'constant', { ...pairs, beta: 0.2 }),
  simpo: cell('dpo', 'simpo', 'linear', { ...pairs, beta: 2, gamma: 0.7 }),
  orpo: cell('dpo', 'orpo', 'cosine', { ...pairs, beta: 0.4 }),
}

/** Those whose updates each see a few rows, which come in another order each epoch; texts are cut where a row ends. */
const ROWS = { length: 16, update: 4, accumulation: 2 }
export const ORDERED = {
  'cp, cut': { ...CELLS.cp, records: 'uneven' },
  sft: CELLS.sft,
  dpo: CELLS.dpo,
}

/** The same for every cell. */
const RUN = { steps: 10, lr: 1e-3, weight_decay: 0.3, clip: 1, warmup: 3, min_lr: 1e-4 }

const RECORDS = 12
const PACKED_ROWS = 4
/** A record a row, or the same records in fewer rows. */
export const LAYOUTS = [
  { packed: false, rows: RECORDS },
  { packed: true, rows: PACKED_ROWS },
]
const SEED = 7
const LR_TOLERANCE = 1e-12 // double precision on both sides

/** The lengths of a cell's records, by what `objectives_reference.py make` says of a family. */
export const lengthsOf = ({ objective, records }, lengths) =>
  lengths[records === 'uneven' ? 'uneven' : objective]

/** Tokens a row so that each record has one of its own, or RECORDS of them PACKED_ROWS; by the records' lengths. */
export async function rowLength({ objective }, lengths, packed) {
  const longest = Math.max(...lengths)
  // Texts are cut where a row ends: all are of one length, and a row takes the first token of the next one.
  if (objective === 'cp' || objective === 'inscp')
    return (packed ? lengths.length / PACKED_ROWS : 1) * longest + 1
  if (!packed) return longest
  for (let length = longest; ; length++) {
    const { starts } = await bestFit(lengths.length, (i) => lengths[i], length)
    if (starts.length - 1 === PACKED_ROWS) return length
  }
}

/** Trains a cell in `out`; all `rows` of the data are an update unless `update` says how many. Its metrics, by name. */
export async function trainCell(folder, cell, { out, length, rows, accumulation, update, dtype }) {
  const { objective, loss, schedule, records, beta, gamma } = cell
  const { report } = await train({
    objective,
    model: folder,
    out,
    data: [{ path: join(folder, `${records}.jsonl`) }],
    data_cache: join(out, '..', 'data-cache'),
    sequence_length: length,
    batch_size: (update ?? rows) / accumulation,
    accumulation,
    steps: RUN.steps,
    ...(objective === 'inscp' && { inscp: { loss } }),
    ...(objective === 'dpo' && { dpo: { loss, beta, gamma } }),
    optimizer: { lr: RUN.lr, weight_decay: RUN.weight_decay, betas: [0.9, 0.95] },
    schedule: { kind: schedule, warmup: RUN.warmup, min_lr: schedule === 'constant' ? 0 : RUN.min_lr },
    clip: RUN.clip,
    dtype,
    threads: 1,
    seed: SEED,
  }).result
  assert.equal(report.plan.data.rows_per_epoch, rows)
  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').map(JSON.parse)
  return Object.fromEntries(Object.keys(lines[0]).map((name) => [name, lines.map((line) => line[name])]))
}

/**
 * How a cell of ORDERED goes, for the reference: {rows: {length?, update, epochs: [[order]]}}, of which an order is of
 * texts, or of rows of a record each; and for `trainCell`.
 */
export async function orderedRows(cell, lengths) {
  const cut = cell.objective === 'cp'
  const total = lengths.reduce((sum, length) => sum + length)
  const length = cut ? ROWS.length : await rowLength(cell, lengths, false)
  const rows = cut ? Math.ceil((total - 1) / (length - 1)) : RECORDS
  const { update, accumulation } = ROWS
  const count = Math.ceil((RUN.steps * update) / rows)
  const epochs = await Promise.all(Array.from({ length: count }, (_, epoch) => orderOf(RECORDS, SEED, epoch)))
  return {
    reference: { ...(cut && { length }), update, epochs: epochs.map((order) => [...order]) },
    options: { length, rows, update, accumulation },
  }
}

/** The reference's runs of all cells by name, those of ORDERED as `NAME, ordered`; lengths as for `lengthsOf`. */
export async function referenceRuns(folder, lengths) {
  const cells = { ...CELLS }
  for (const [name, cell] of Object.entries(ORDERED)) {
    const { reference: rows } = await orderedRows(cell, lengthsOf(cell, lengths))
    cells[`${name}, ordered`] = { ...cell, rows }
  }
  const answers = await objectivesReference(['train', folder], { ...RUN, cells: Object.values(cells) })
  return Object.fromEntries(Object.keys(cells).map((name, i) => [name, answers[i]]))
}

/** All that the reference tells, to `tolerance` of the largest of its kind: one for all, or {loss, grad_norm}. */
export function assertSameRun(metrics, expected, tolerance, what) {
  for (const [name, values] of Object.entries(expected)) {
    const bound = name === 'lr' ? LR_TOLERANCE : (tolerance[name] ?? tolerance)
    assertClose(metrics[name], values, bound, `${what}: ${name}`)
  }
}
