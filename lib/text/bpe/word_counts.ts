/** How often each word stands in a text: what learning of tokens starts from. */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { JsonObject } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import type { WordCountAnswer, WordCountQuestion, WordCountTask } from './word_count_worker'
import type { WordLimits } from './word_counter'

/** How a tokenizer cuts text into words, within which tokens are looked for: keys of its tokenizer.json. */
export interface Pretokenization {
  normalizer: JsonObject | null
  pre_tokenizer: JsonObject | null
}

export interface WordCounts {
  /** Each once, in an order that depends on the number of threads. */
  words: string[]
  counts: Float64Array
  texts: number
  /** Of the texts: Unicode characters, and bytes of UTF-8. */
  characters: number
  bytes: number
  /** Words of the text that were too rare to be kept in memory, each time they stood there. */
  forgotten: number
  seconds: number
}

export interface WordCountProgress {
  texts: number
  bytes: number
}

export interface WordCountOptions {
  /** Threads that cut and count, at most 8; 0, the default: all cores. */
  threads?: number
  limits?: WordLimits
  signal?: AbortSignal | undefined
  onProgress?: ((progress: WordCountProgress) => void) | undefined
}

const MOST_THREADS = 8
/** Texts that cross to a thread together: copying them takes well under a millisecond. */
const SLICE_CHARACTERS = 128 * 1024
const SLICE_TEXTS = 256
/** Some 600 MB of words at most. */
const LIMITS: WordLimits = { words: 4 * 2 ** 20, characters: 128 * 2 ** 20 }

/**
 * Cuts texts with the tokenizer's own normalizer and pre_tokenizer and counts the words, on threads of their own, in
 * bounded memory. Where the tokenizer cuts at spaces alone (SentencePiece's `▁`, no pre_tokenizer), words are cut
 * further: before each `▁` that a word follows, and at letters, digits and marks. Throws ERR_TOKENIZER, what `texts`
 * throws, `signal.reason`.
 */
export async function countWords(
  texts: AsyncIterable<string>,
  { normalizer, pre_tokenizer }: Pretokenization,
  options: WordCountOptions = {},
): Promise<WordCounts> {
  const { threads = 0, limits = LIMITS, signal, onProgress } = options
  const began = performance.now()
  const count = Math.min(threads > 0 ? threads : availableParallelism(), MOST_THREADS)
  const task: WordCountTask = {
    tokenizer: wordCutter(normalizer, pre_tokenizer),
    unspaced: cutsAtSpacesAlone(pre_tokenizer),
    limits: { words: limits.words / count, characters: limits.characters / count },
  }
  const workers = Array.from({ length: count }, () => new CountingThread(task))
  try {
    const sums = { texts: 0, characters: 0, bytes: 0 }
    let turn = 0
    for await (const slice of slices(texts)) {
      signal?.throwIfAborted()
      const { characters, bytes } = await workers[turn]!.add(slice)
      turn = (turn + 1) % count // always in turn, so that the same words meet in the same thread
      sums.texts += slice.length
      sums.characters += characters
      sums.bytes += bytes
      onProgress?.({ texts: sums.texts, bytes: sums.bytes })
    }
    for (const worker of workers) {
      const { characters, bytes } = await worker.settle()
      sums.characters += characters
      sums.bytes += bytes
    }
    onProgress?.({ texts: sums.texts, bytes: sums.bytes })
    const joined = await together(workers, signal)
    return { ...joined, ...sums, seconds: (performance.now() - began) / 1000 }
  } finally {
    await Promise.all(workers.map((worker) => worker.end()))
  }
}

/** Whether pre-tokenizing leaves everything between two spaces in one word. */
export function cutsAtSpacesAlone(preTokenizer: JsonObject | null | undefined): boolean {
  return preTokenizer == null || preTokenizer.type === 'Metaspace'
}

/** A tokenizer without tokens: it loads at once. */
function wordCutter(normalizer: JsonObject | null, preTokenizer: JsonObject | null): string {
  const none = { truncation: null, padding: null, added_tokens: [], post_processor: null, decoder: null }
  const model = { type: 'BPE', vocab: {}, merges: [] }
  return JSON.stringify({ version: '1.0', ...none, normalizer, pre_tokenizer: preTokenizer, model })
}

interface Size {
  characters: number
  bytes: number
}

/** One thread. It counts a slice while the next one is read. */
class CountingThread {
  readonly #worker: Worker
  /** Rejects when the thread ends by a failure, asked or not: out of memory, for one. */
  readonly #death: Promise<never>
  #counting: Promise<Size> = Promise.resolve({ characters: 0, bytes: 0 })

  constructor(task: WordCountTask) {
    this.#worker = new Worker(join(__dirname, 'word_count_worker.js'), { workerData: task })
    this.#death = new Promise((_, reject) => this.#worker.on('error', reject))
    this.#death.catch(() => {}) // told to whoever asks
  }

  /** Hands over texts; resolves with the size of those before them. */
  async add(texts: readonly string[]): Promise<Size> {
    const before = await this.#counting
    this.#counting = this.#ask({ texts }) as Promise<Size>
    this.#counting.catch(() => {}) // told when it is waited for
    return before
  }

  /** Resolves with the size of the last texts. */
  settle(): Promise<Size> {
    return this.#counting
  }

  /** The words, piece by piece; the last answer tells how many were forgotten. */
  async *words(): AsyncGenerator<{ words: string[]; counts: Float64Array } | { forgotten: number }> {
    for (;;) {
      const answer = await this.#ask('words')
      if ('words' in answer || 'end' in answer) yield answer
      if ('end' in answer) return
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  async #ask(question: WordCountQuestion): Promise<WordCountAnswer> {
    const coming = once(this.#worker, 'message')
    this.#worker.postMessage(question)
    const [answer] = (await Promise.race([coming, this.#death])) as [WordCountAnswer]
    if (!('problem' in answer)) return answer
    throw new TongueforgeError(
      'ERR_TOKENIZER',
      `tokenizer: text cannot be cut into words: ${answer.problem}`,
      {
        hint: 'Look at normalizer and pre_tokenizer of its tokenizer.json.',
        details: { reason: answer.problem },
      },
    )
  }
}

/** Joins what the threads counted, in pieces between which the event loop turns. */
async function together(
  workers: readonly CountingThread[],
  signal: AbortSignal | undefined,
): Promise<{ words: string[]; counts: Float64Array; forgotten: number }> {
  const places = new Map<string, number>()
  const words: string[] = []
  const counts: number[] = []
  let forgotten = 0
  for (const worker of workers) {
    for await (const piece of worker.words()) {
      signal?.throwIfAborted()
      if ('forgotten' in piece) {
        forgotten += piece.forgotten
        continue
      }
      for (const [i, word] of piece.words.entries()) {
        const place = places.get(word) ?? words.length
        if (place === words.length) {
          places.set(word, place)
          words.push(word)
          counts.push(0)
        }
        counts[place]! += piece.counts[i]!
      }
    }
  }
  return { words, counts: Float64Array.from(counts), forgotten }
}

async function* slices(texts: AsyncIterable<string>): AsyncGenerator<string[]> {
  let slice: string[] = []
  let characters = 0
  for await (const text of texts) {
    slice.push(text)
    characters += text.length
    if (characters < SLICE_CHARACTERS && slice.length < SLICE_TEXTS) continue
    yield slice
    slice = []
    characters = 0
  }
  if (slice.length > 0) yield slice
}
