/** The data that tokens are learnt from: its words, and some of its texts held out to measure on. */
import type { FileSource } from '../../config/data'
import type { BpeFile } from '../../text/bpe/bpe_file'
import { type CorpusOptions, corpusTexts } from '../../text/bpe/corpus_texts'
import { countWords, type WordCounts } from '../../text/bpe/word_counts'
import { Sample } from './sample'

export interface Corpus extends WordCounts {
  /** Texts that no word was counted of: none of a corpus of few texts. */
  heldOut: readonly string[]
  /** The first texts that words were counted of. */
  first: readonly string[]
}

export interface ReadCorpusOptions extends CorpusOptions {
  /** Hold texts out: those that are measured on do not come from elsewhere. */
  holdOut: boolean
  threads: number
  onProgress?: ((progress: { bytes: number }) => void) | undefined
}

/** Every so many texts one is held out. */
const HELD_OUT_EVERY = 50

/** Reads sources once, streaming; see corpusTexts and countWords for what they throw. */
export async function readCorpus(
  sources: readonly FileSource[],
  file: BpeFile,
  { holdOut, threads, onProgress, ...options }: ReadCorpusOptions,
): Promise<Corpus> {
  const [heldOut, first] = [new Sample(), new Sample()]
  async function* learnt(): AsyncGenerator<string> {
    let index = 0
    for await (const text of corpusTexts(sources, options)) {
      if (holdOut && ++index % HELD_OUT_EVERY === 0 && !heldOut.full) {
        heldOut.add(text)
        continue
      }
      if (!first.full) first.add(text)
      yield text
    }
  }
  const { signal } = options
  const words = await countWords(learnt(), file.pretokenization(), { threads, signal, onProgress })
  return { ...words, heldOut: heldOut.texts, first: first.texts }
}

/** Texts to check and measure on: the first ones of their sources. */
export async function firstTexts(
  sources: readonly FileSource[],
  options: CorpusOptions,
): Promise<readonly string[]> {
  const sample = new Sample()
  for await (const text of corpusTexts(sources, options)) {
    sample.add(text)
    if (sample.full) break
  }
  return sample.texts
}
