/**
 * More tokens for a model: learnt on a corpus by byte-pair encoding that goes on where the tokenizer ended, or given as
 * chat tags. Each new row is the mean of the rows of the pieces its token was made of (ElChat, arXiv 2412.11704).
 */
import { basename } from 'node:path'
import { writeExtended } from '../checkpoint/extended_folder'
import { writeModelCard } from '../checkpoint/model_card'
import { provenance, recordModel } from '../checkpoint/provenance'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { writeJson, writeText } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS } from '../config/call_options'
import { toYaml } from '../config/parse'
import { type ByteProgress, type RowExtensionInputs, runJob } from '../native'
import { type Inputs, load } from './vocabulary/inputs'
import type { ExtendVocabularyOptions } from './vocabulary/options'
import { type ExtendVocabularyCallbacks, makePlan, type Plan } from './vocabulary/plan'
import type { ExtendVocabularyReport } from './vocabulary/report'
import { recordFiles } from './vocabulary/sources'

export type { ExtendVocabularyOptions } from './vocabulary/options'
export type { ExtendVocabularyCallbacks, ExtendVocabularyProgress } from './vocabulary/plan'
export type { ExtendVocabularyReport } from './vocabulary/report'

/** As native/merge/rows/row_extension.cpp does it. */
const ARITHMETIC =
  'new rows: mean of the rows of their pieces in double; one rounding to the dtype of the row'

const OPTIONS: Kinds<ExtendVocabularyOptions> = {
  model: 'needed',
  out: 'needed',
  data: 'any',
  heldOut: 'any',
  tokens: 'any',
  coverage: 'any',
  minCount: 'any',
  maxTokenLength: 'any',
  specialTokens: 'any',
  chatTemplate: 'any',
  eosToken: 'any',
  padToMultipleOf: 'any',
  threads: 'any',
  overwrite: 'flag',
  dryRun: 'flag',
}

const CALLBACKS: Kinds<ExtendVocabularyCallbacks> = { ...LISTENERS, onWarning: 'function' }

/**
 * Gives a model more tokens: tokenizer.json, embedding and head grow, everything else stays byte for byte. Throws
 * ERR_TOKENIZER for a tokenizer that is no BPE, ERR_VOCABULARY where nothing can be added or a check fails, ERR_CONFIG,
 * ERR_TEMPLATE, ERR_DATA, ERR_MISSING_TENSOR, ERR_SHAPE_MISMATCH, ERR_DTYPE, ERR_NO_SPACE, ERR_EXISTS: before anything
 * is written.
 */
export async function extendVocabulary(
  options: ExtendVocabularyOptions,
  callbacks: ExtendVocabularyCallbacks = {},
): Promise<ExtendVocabularyReport> {
  checkOptions('extendVocabulary', options, OPTIONS)
  checkOptions('extendVocabulary', callbacks, CALLBACKS)
  const start = performance.now()
  const { overwrite = false, dryRun = false } = options
  const inputs = await load(options)
  const stage = { overwrite, inputs: [inputs.model.path, ...Object.values(inputs.files).flat()] }
  await runJob('checkOutput', { out: options.out, ...stage })
  const plan = await makePlan(options, inputs, callbacks)
  if (dryRun) return plan.report

  return withStagedFolder(options.out, { ...stage, signal: callbacks.signal }, async (staged) => {
    const statistics = await writeRows(plan.rows, staged, callbacks)
    const leftOut = await writeFiles(staged, inputs, plan)
    const seconds = (performance.now() - start) / 1000
    const report = { ...plan.report, ...statistics, left_out: leftOut, seconds }
    await describe(staged, inputs, report, callbacks.signal)
    return report
  })
}

function writeRows(
  rows: RowExtensionInputs,
  staged: string,
  { signal, onProgress }: ExtendVocabularyCallbacks,
) {
  const tell = ({ done_bytes, total_bytes }: ByteProgress) =>
    onProgress?.({ stage: 'write', done: done_bytes, total: total_bytes })
  return runJob('extendRows', { ...rows, staged }, { signal, onProgress: tell })
}

function writeFiles(
  staged: string,
  { model, config, special, chatTemplate, stopIds }: Inputs,
  { extension, rows }: Plan,
): Promise<string[]> {
  return writeExtended(staged, model, {
    tokenizerJson: extension.tokenizerJson,
    vocabSize: rows.num_rows,
    special,
    chatTemplate,
    eosToken: config.eos_token,
    stopIds,
  })
}

async function describe(
  staged: string,
  { model, config, files }: Inputs,
  report: ExtendVocabularyReport,
  signal: AbortSignal | undefined,
): Promise<void> {
  const resolved = { verb: 'vocab extend', model: model.path, ...config }
  await writeText(staged, 'resolved.yaml', toYaml(resolved))
  const records = [await recordModel('model', model, signal), ...(await recordFiles(files, signal))]
  await writeJson(staged, 'provenance.json', provenance('vocab extend', records, { arithmetic: ARITHMETIC }))
  await writeJson(staged, 'report.json', report)
  await writeModelCard(staged, {
    title: basename(report.out),
    summary: `A model whose vocabulary has ${report.tokens.after - report.tokens.before} more tokens, not trained yet.`,
    origins: { model },
    config: resolved,
  })
}
