/** A new byte-level tokenizer, learnt from text. Byte-pair encoding: Sennrich et al. 2016 (arXiv 1508.07909). */
import { resolve } from 'node:path'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { writeJson } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS } from '../config/call_options'
import { runJob } from '../native'
import { Tokenizer } from '../text/tokenizer'
import { save, tokenizerFile } from './vocabulary/fresh/files'
import { count, learn, type TrainVocabularyCallbacks } from './vocabulary/fresh/learn'
import type { TrainVocabularyOptions } from './vocabulary/fresh/options'
import { planTraining } from './vocabulary/fresh/plan'
import { examples, figures, roundTrip, type TrainVocabularyReport } from './vocabulary/fresh/report'

export type { TrainVocabularyCallbacks, TrainVocabularyProgress } from './vocabulary/fresh/learn'
export type { TrainVocabularyOptions } from './vocabulary/fresh/options'
export type { TrainVocabularyReport } from './vocabulary/fresh/report'

const OPTIONS: Kinds<TrainVocabularyOptions> = {
  data: 'any',
  out: 'needed',
  size: 'any',
  minCount: 'any',
  maxTokenLength: 'any',
  coverage: 'any',
  specialTokens: 'any',
  bosToken: 'any',
  eosToken: 'any',
  padToken: 'any',
  chatTemplate: 'any',
  like: 'any',
  threads: 'any',
  overwrite: 'flag',
  dryRun: 'flag',
}

const CALLBACKS: Kinds<TrainVocabularyCallbacks> = { ...LISTENERS, onWarning: 'function' }

/**
 * Makes a folder with a byte-level BPE tokenizer that `transformers` and every verb of ours loads. Throws ERR_CONFIG,
 * ERR_DATA, ERR_NOT_FOUND, ERR_TOKENIZER for a `like` of another kind, ERR_TEMPLATE, ERR_EXISTS: before anything is
 * written.
 */
export async function trainVocabulary(
  options: TrainVocabularyOptions,
  callbacks: TrainVocabularyCallbacks = {},
): Promise<TrainVocabularyReport> {
  checkOptions('trainVocabulary', options, OPTIONS)
  checkOptions('trainVocabulary', callbacks, CALLBACKS)
  const start = performance.now()
  const { overwrite = false, dryRun } = options
  const plan = await planTraining(options)
  const inputs = [...Object.values(plan.files).flat(), ...(plan.like ? [plan.like.path] : [])]
  await runJob('checkOutput', { out: plan.config.out, overwrite, inputs })
  const { counted, texts } = await count(plan, callbacks)
  const learnt = await learn(plan, counted, callbacks)
  const json = tokenizerFile(plan, learnt)
  const tokenizer = Tokenizer.fromJson(json)
  const report: TrainVocabularyReport = {
    out: resolve(plan.config.out),
    dry_run: dryRun ?? false,
    ...figures(plan, counted, learnt),
    round_trip: await roundTrip(tokenizer, texts, callbacks.signal),
    examples: examples(tokenizer, plan, learnt),
    seconds: 0,
  }
  const finished = () => ({ ...report, seconds: (performance.now() - start) / 1000 })
  if (dryRun) return finished()
  const stage = { overwrite, inputs, signal: callbacks.signal }
  return withStagedFolder(plan.config.out, stage, async (staged) => {
    await save(staged, plan, json, callbacks.signal)
    const whole = finished()
    await writeJson(staged, 'report.json', whole)
    return whole
  })
}
