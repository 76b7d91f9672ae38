/** All that comes before the weights are touched: read, learn, check, measure. */
import { resolve } from 'node:path'
import { checkSpace } from '../../checkpoint/disk_space'
import type { RowExtensionInputs } from '../../native'
import type { LearntToken } from '../../text/bpe/continued'
import { checkReachable, checkTexts } from './checks'
import { type Corpus, firstTexts, readCorpus } from './corpus'
import { corpusFigures } from './figures'
import type { Inputs } from './inputs'
import { type Extension, extendTokenizer } from './learn'
import type { ExtendVocabularyOptions } from './options'
import type { ExtendVocabularyReport } from './report'
import { planRows } from './rows'

export interface ExtendVocabularyProgress {
  /** `count` and `write` count bytes, `learn` tokens. */
  stage: 'count' | 'learn' | 'write'
  done: number
  /** Unknown while data are read, and of tokens where only `coverage` is given. */
  total?: number
}

export interface ExtendVocabularyCallbacks {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: ExtendVocabularyProgress) => void) | undefined
  /** Hears of data that are left out. */
  onWarning?: ((message: string) => void) | undefined
}

export interface Plan {
  extension: Extension
  rows: RowExtensionInputs
  report: ExtendVocabularyReport
}

const EXAMPLES = 20

/** Throws ERR_VOCABULARY where there is nothing to add or a check fails, ERR_NO_SPACE, and what reading data throws. */
export async function makePlan(
  options: ExtendVocabularyOptions,
  inputs: Inputs,
  callbacks: ExtendVocabularyCallbacks,
): Promise<Plan> {
  const { signal, onProgress } = callbacks
  const { model, spec, config, stopIds } = inputs
  const corpus = await read(inputs, callbacks)
  const extension = await extendTokenizer(inputs, corpus, {
    signal,
    // Where coverage alone ends the learning, nobody knows how many tokens there will be.
    onProgress: ({ done, total }) =>
      onProgress?.({ stage: 'learn', done, ...(config.tokens !== undefined && { total }) }),
  })
  const { first, pieces } = extension
  const wanted = { model: model.path, spec, first, pieces, multiple: config.pad_to_multiple_of }
  const { inputs: rows, ...bytes } = await planRows(wanted)
  await checkSpace(resolve(options.out), bytes.bytes_to_write, 'the extended model')
  const report = {
    out: resolve(options.out),
    dry_run: options.dryRun ?? false,
    ...countsOf(inputs, extension, rows),
    ...(stopIds.length > 0 && { stop_ids: stopIds }),
    ...(await checkAndMeasure(inputs, corpus, extension, signal)),
    ...bytes,
  }
  return { extension, rows, report }
}

async function read(
  { config: { data, held_out, threads }, file }: Inputs,
  { signal, onProgress, onWarning }: ExtendVocabularyCallbacks,
): Promise<Corpus | undefined> {
  if (!data) return undefined
  const tell = ({ bytes }: { bytes: number }) => onProgress?.({ stage: 'count', done: bytes })
  return readCorpus(data, file, { holdOut: !held_out, threads, signal, onWarning, onProgress: tell })
}

async function checkAndMeasure(
  { config }: Inputs,
  corpus: Corpus | undefined,
  extension: Extension,
  signal: AbortSignal | undefined,
): Promise<Pick<ExtendVocabularyReport, 'unreachable' | 'texts_checked' | 'corpus' | 'held_out'>> {
  await checkReachable(extension)
  const heldOut = config.held_out ? await firstTexts(config.held_out, { signal }) : (corpus?.heldOut ?? [])
  const texts = heldOut.length > 0 ? heldOut : (corpus?.first ?? [])
  const figures = await checkTexts(texts, extension, signal)
  return {
    unreachable: 0,
    texts_checked: texts.length,
    ...(corpus && { corpus: await corpusFigures(corpus, extension, signal) }),
    ...(heldOut.length > 0 && { held_out: { texts: heldOut.length, ...figures } }),
  }
}

/** Some bytes of a character are no text. */
const isWhole = (text: string) => !text.includes('\ufffd')

function countsOf({ spec }: Inputs, extension: Extension, { num_rows }: RowExtensionInputs) {
  const { first, special, learnt, extended } = extension
  const from = first + special.length
  // Bytes of a byte-level token as the text they are; a space in front as `▁`, where it is written so.
  const shown = ({ text }: LearntToken, i: number) =>
    text.startsWith('▁') ? text : extended.decodeNow([from + i], false)
  return {
    tokens: { before: first, after: from + learnt.length },
    rows: { before: spec.vocab_size, after: num_rows },
    learnt_tokens: learnt.length,
    learnt_characters: learnt.filter(({ parts }) => !parts).length,
    special_tokens: Object.fromEntries(special.map(({ content, id }) => [content, id])),
    examples: learnt.map(shown).filter(isWhole).slice(0, EXAMPLES),
  }
}
