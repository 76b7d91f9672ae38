/** A new byte-level tokenizer, learnt from text. Byte-pair encoding: Sennrich et al. 2016 (arXiv 1508.07909). */
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type JsonObject, readTextFile } from '../checkpoint/json_file'
import { type ModelFolder, openTokenizerFolder } from '../checkpoint/model_folder'
import { type InputRecord, provenance, recordInput } from '../checkpoint/provenance'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { carryOver, isTemplate, writeJson } from '../checkpoint/write_folder'
import { checkConfig, toYaml } from '../config/parse'
import { type VocabTrainConfig, vocabTrainSchema } from '../config/vocab_train'
import { TongueforgeError } from '../errors'
import { runJob } from '../native'
import { type Blueprint, blueprintLike, ownBlueprint, specialToken, withIds } from '../text/bpe/blueprint'
import { corpusTexts } from '../text/bpe/corpus_texts'
import { BYTE_CHARACTERS, type FreshVocabulary, learnBpe } from '../text/bpe/fresh'
import { tokenizerJson } from '../text/bpe/tokenizer_json'
import { countWords, type WordCounts } from '../text/bpe/word_counts'
import { ChatTemplate } from '../text/chat_template'
import { resolveSource, type Source } from '../text/documents'
import { Tokenizer } from '../text/tokenizer'

export interface TrainVocabularyOptions {
  /** Paths, or sources as in a training config. */
  data: string | Source | readonly (string | Source)[]
  /** Folder to be written. */
  out: string
  /** Tokens at most, special ones and the 256 bytes included; default 32000. */
  size?: number | undefined
  /** How often a pair must stand in the text to become a token; default 2. */
  minCount?: number | undefined
  /** Longest token, in bytes; default 64. */
  maxTokenLength?: number | undefined
  /** Ends sooner, once this share of the words of the text are one token each. */
  coverage?: number | undefined
  /** Tokens that text is never cut into, such as chat tags. */
  specialTokens?: readonly string[] | undefined
  /** Put before every text; default: nothing is. */
  bosToken?: string | undefined
  /** Ends a text; default `<|endoftext|>`. */
  eosToken?: string | undefined
  padToken?: string | undefined
  /** File with a chat template for the tokenizer. */
  chatTemplate?: string | undefined
  /** Folder of a byte-level tokenizer that text is to be normalised, cut and framed like. */
  like?: string | undefined
  /** 0, the default: all cores. */
  threads?: number | undefined
  overwrite?: boolean | undefined
  /** Learn and measure, but write nothing. */
  dryRun?: boolean | undefined
}

export interface TrainVocabularyProgress {
  /** `count` counts bytes of text, `learn` tokens. */
  stage: 'count' | 'learn'
  done: number
  /** Unknown while text is read. */
  total?: number
}

export interface TrainVocabularyCallbacks {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: TrainVocabularyProgress) => void) | undefined
  onWarning?: ((message: string) => void) | undefined
}

export interface TrainVocabularyReport {
  out: string
  dry_run: boolean
  vocab_size: number
  merges: number
  special_tokens: Record<string, number>
  /** What ended the learning. `min_count`: every pair that is left is rarer. */
  ended_by: 'size' | 'coverage' | 'min_count'
  corpus: {
    texts: number
    characters: number
    bytes: number
    /** Different words. */
    words: number
    /** Words of the text that were too rare to be kept in memory. */
    forgotten: number
    mb_per_second: number
  }
  /** Of the corpus: as bytes, and with the new tokens. */
  tokens_per_character: { before: number; after: number }
  bytes_per_token: number
  /** Share of the words of the text that are one token. */
  coverage: number
  /** Texts of the corpus that were encoded and decoded, and how many came back as they were. */
  round_trip: { texts: number; equal: number }
  /** Some learnt tokens, the first ones, as text. */
  examples: string[]
  seconds: number
}

const END_OF_TEXT = '<|endoftext|>'
const EXAMPLES = 20
/** Texts that are kept for the round trip. */
const SAMPLE = { texts: 1000, characters: 2 ** 20 }

interface Plan {
  config: VocabTrainConfig
  like: ModelFolder | undefined
  blueprint: Blueprint
  template: string | undefined
  /** bos_token, eos_token and pad_token, those that there are. */
  named: Record<string, string>
  /** Paths that are read, for provenance and against overwriting them. */
  files: string[]
}

/**
 * Makes a folder with a byte-level BPE tokenizer that `transformers` and every verb of ours loads. Throws ERR_CONFIG,
 * ERR_DATA, ERR_NOT_FOUND, ERR_TOKENIZER for a `like` of another kind, ERR_TEMPLATE, ERR_EXISTS: before anything is
 * written.
 */
export async function trainVocabulary(
  options: TrainVocabularyOptions,
  callbacks: TrainVocabularyCallbacks = {},
): Promise<TrainVocabularyReport> {
  const start = performance.now()
  const { overwrite = false, dryRun = false } = options
  const plan = await planTraining(options)
  const inputs = [...plan.files, ...(plan.like ? [plan.like.path] : [])]
  await runJob('checkOutput', { out: plan.config.out, overwrite, inputs })
  const { counted, sample } = await count(plan, callbacks)
  const learnt = await learn(plan, counted, callbacks)
  const json = tokenizerFile(plan, learnt)
  const tokenizer = Tokenizer.fromJson(json)
  const report: TrainVocabularyReport = {
    out: resolve(plan.config.out),
    dry_run: dryRun,
    ...figures(plan, counted, learnt),
    round_trip: await roundTrip(tokenizer, sample, callbacks.signal),
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

async function planTraining(options: TrainVocabularyOptions): Promise<Plan> {
  const config = checkConfig(vocabTrainSchema, configOf(options), 'vocab train')
  const like = config.like === undefined ? undefined : await openTokenizerFolder(config.like)
  const of = like?.tokenizer.specialTokens ?? {}
  const bosToken = config.bos_token ?? of.bos_token
  const padToken = config.pad_token ?? of.pad_token
  const named = {
    ...(bosToken !== undefined && { bos_token: bosToken }),
    eos_token: config.eos_token ?? of.eos_token ?? END_OF_TEXT,
    ...(padToken !== undefined && { pad_token: padToken }),
  }
  const blueprint = like ? await blueprintLike(like.path) : ownBlueprint(bosToken)
  for (const token of [...Object.values(named), ...config.special_tokens])
    if (!blueprint.special.some(({ content }) => content === token))
      blueprint.special.push(specialToken(token))
  checkSize(config, blueprint)
  const template =
    config.chat_template === undefined
      ? undefined
      : await readTextFile(config.chat_template, { code: 'ERR_TEMPLATE' })
  if (template !== undefined) new ChatTemplate(template, { tokens: named, name: config.chat_template! })
  const sources = await Promise.all(config.data.map(resolveSource))
  const files = sources.flatMap(({ files: all }) => all.map(({ path }) => path))
  return { config, like, blueprint, template, named, files }
}

function configOf(options: TrainVocabularyOptions): unknown {
  const data = [options.data].flat() as (string | Source)[]
  return {
    data: data.map((source) => (typeof source === 'string' ? { path: source } : source)),
    out: options.out,
    size: options.size,
    min_count: options.minCount,
    max_token_length: options.maxTokenLength,
    coverage: options.coverage,
    special_tokens: options.specialTokens && [...options.specialTokens],
    bos_token: options.bosToken,
    eos_token: options.eosToken,
    pad_token: options.padToken,
    chat_template: options.chatTemplate,
    like: options.like,
    threads: options.threads,
  }
}

function checkSize({ size }: VocabTrainConfig, { special }: Blueprint): void {
  const least = BYTE_CHARACTERS.length + special.length + 1
  if (size >= least) return
  throw new TongueforgeError(
    'ERR_CONFIG',
    `vocab train: size: expected at least ${least} (256 bytes, ${special.length} special tokens, one more), received ${size}`,
    { hint: 'Some thousands are usual, 32000 the default.', details: { key: 'size', size, least } },
  )
}

/** Counts the words of the data, and keeps some of its texts. */
async function count(
  { config, blueprint }: Plan,
  { signal, onProgress, onWarning }: TrainVocabularyCallbacks,
): Promise<{ counted: WordCounts; sample: string[] }> {
  const sample: string[] = []
  const texts = sampled(corpusTexts(config.data, { signal, onWarning }), sample)
  const counted = await countWords(texts, blueprint, {
    threads: config.threads,
    signal,
    onProgress: ({ bytes }) => onProgress?.({ stage: 'count', done: bytes }),
  })
  if (counted.words.length > 0) return { counted, sample }
  const paths = config.data.map(({ path }) => path)
  throw new TongueforgeError(
    'ERR_DATA',
    `${paths.join(', ')}: expected text to learn tokens from, found none`,
    {
      hint: 'Are the files empty?',
      details: { files: paths },
    },
  )
}

async function* sampled(texts: AsyncIterable<string>, sample: string[]): AsyncGenerator<string> {
  let characters = 0
  for await (const text of texts) {
    if (sample.length < SAMPLE.texts && characters + text.length <= SAMPLE.characters) {
      sample.push(text)
      characters += text.length
    }
    yield text
  }
}

function learn(
  { config, blueprint }: Plan,
  counted: WordCounts,
  { signal, onProgress }: TrainVocabularyCallbacks,
): Promise<FreshVocabulary> {
  const { size, min_count, max_token_length, coverage = 0, threads } = config
  const special = blueprint.special.map(({ content }) => content)
  return learnBpe(
    counted,
    { special, size, minCount: min_count, maxTokenLength: max_token_length, coverage, threads },
    { signal, onProgress: ({ done, total }) => onProgress?.({ stage: 'learn', done, total }) },
  )
}

function tokenizerFile({ blueprint }: Plan, { tokens, merges }: FreshVocabulary): string {
  const { special, normalizer, pre_tokenizer, post_processor, decoder } = blueprint
  const ids = new Map(special.map(({ content }, id) => [content, id]))
  const content: JsonObject = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map(({ content: text, flags }, id) => ({ id, content: text, ...flags })),
    normalizer,
    pre_tokenizer,
    post_processor: withIds(post_processor, ids),
    decoder,
  }
  const model = {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    merges,
  }
  return tokenizerJson(
    content,
    model,
    tokens.map((token, id) => [token, id] as const),
  )
}

function figures({ config, blueprint }: Plan, counted: WordCounts, learnt: FreshVocabulary) {
  const { texts, characters, bytes, words, forgotten, seconds } = counted
  const { tokens, merges, tokensBefore, tokensAfter, coverage } = learnt
  const covered = config.coverage !== undefined && coverage >= config.coverage
  const ended: TrainVocabularyReport['ended_by'] =
    tokens.length >= config.size ? 'size' : covered ? 'coverage' : 'min_count'
  return {
    vocab_size: tokens.length,
    merges: merges.length,
    special_tokens: Object.fromEntries(blueprint.special.map(({ content }, id) => [content, id])),
    ended_by: ended,
    corpus: {
      texts,
      characters,
      bytes,
      words: words.length,
      forgotten,
      mb_per_second: bytes / 1e6 / seconds,
    },
    tokens_per_character: { before: tokensBefore / characters, after: tokensAfter / characters },
    bytes_per_token: tokensBefore / tokensAfter,
    coverage,
  }
}

async function roundTrip(
  tokenizer: Tokenizer,
  sample: readonly string[],
  signal: AbortSignal | undefined,
): Promise<TrainVocabularyReport['round_trip']> {
  let equal = 0
  const rows = await tokenizer.encodeBatch(sample, { addSpecialTokens: false })
  for (const [i, ids] of rows.entries()) {
    signal?.throwIfAborted()
    if ((await tokenizer.decode(ids, { skipSpecialTokens: false })) === sample[i]) equal++
  }
  return { texts: sample.length, equal }
}

function examples(tokenizer: Tokenizer, { blueprint }: Plan, { tokens }: FreshVocabulary): string[] {
  const first = blueprint.special.length + BYTE_CHARACTERS.length
  return tokens.slice(first, first + EXAMPLES).map((_, i) => tokenizer.decodeNow([first + i], false))
}

async function save(
  staged: string,
  plan: Plan,
  json: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { config, like, template } = plan
  await writeFile(join(staged, 'tokenizer.json'), json)
  if (template !== undefined) await writeFile(join(staged, 'chat_template.jinja'), template)
  else if (like)
    await carryOver(like, staged, new Set(like.auxiliaryFiles.filter((name) => !isTemplate(name))))
  await writeJson(staged, 'tokenizer_config.json', tokenizerConfig(plan))
  await writeFile(join(staged, 'resolved.yaml'), toYaml({ verb: 'vocab train', ...config }))
  await writeJson(staged, 'provenance.json', provenance('vocab train', await records(plan, signal), {}))
}

function tokenizerConfig({ like, template, named, blueprint }: Plan): JsonObject {
  // Ids of the other vocabulary; ours stand in tokenizer.json.
  const { added_tokens_decoder: _, chat_template: theirs, ...kept } = like?.tokenizer.config ?? {}
  const tags = blueprint.special.map(({ content }) => content)
  return {
    clean_up_tokenization_spaces: false,
    model_max_length: 1e30,
    ...kept,
    ...(template === undefined && theirs !== undefined && { chat_template: theirs }),
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...named,
    additional_special_tokens: tags.filter((token) => !Object.values(named).includes(token)),
  }
}

async function records({ files, like }: Plan, signal: AbortSignal | undefined): Promise<InputRecord[]> {
  const all: InputRecord[] = []
  for (const file of files) all.push(await recordInput('data', file, [], signal))
  if (like) all.push(await recordInput('like', like.path, ['tokenizer.json'], signal))
  return all
}
