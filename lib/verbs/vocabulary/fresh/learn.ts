/** From data to tokens: words are counted, then pairs in them merged. */
import { TongueforgeError } from '../../../errors'
import { corpusTexts } from '../../../text/bpe/corpus_texts'
import { type FreshVocabulary, learnBpe } from '../../../text/bpe/fresh'
import { countWords, type WordCounts } from '../../../text/bpe/word_counts'
import { Sample } from '../sample'
import type { Plan } from './plan'

export interface TrainVocabularyProgress {
  /** `count` counts bytes of text, `learn` tokens. */
  stage: 'count' | 'learn'
  done: number
  /** Unknown while text is read. */
  total?: number
}

export interface TrainVocabularyCallbacks {
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: TrainVocabularyProgress) => void) | undefined
  /** Hears what the result is that one might not expect. */
  onWarning?: ((message: string) => void) | undefined
}

/** Counts the words of the data, and keeps some of its texts. Throws ERR_DATA where there are none. */
export async function count(
  { config, blueprint }: Plan,
  { signal, onProgress, onWarning }: TrainVocabularyCallbacks,
): Promise<{ counted: WordCounts; texts: readonly string[] }> {
  const sample = new Sample()
  async function* sampled(): AsyncGenerator<string> {
    for await (const text of corpusTexts(config.data, { signal, onWarning })) {
      if (!sample.full) sample.add(text)
      yield text
    }
  }
  const counted = await countWords(sampled(), blueprint, {
    threads: config.threads,
    signal,
    onProgress: ({ bytes }) => onProgress?.({ stage: 'count', done: bytes }),
  })
  if (counted.words.length > 0) return { counted, texts: sample.texts }
  const paths = config.data.map(({ path }) => path)
  throw new TongueforgeError(
    'ERR_DATA',
    `${paths.join(', ')}: expected text to learn tokens from, found none`,
    { hint: 'Are the files empty?', details: { files: paths } },
  )
}

export function learn(
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
