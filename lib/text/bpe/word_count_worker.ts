/** A thread that cuts texts into words, as a tokenizer does before it looks for tokens, and counts them. */
import { parentPort, workerData } from 'node:worker_threads'
import { Tokenizer as HubTokenizer } from 'tokenizers'
import { charactersIn } from '../characters'
import { unspacedWords } from './unspaced_words'
import { WordCounter, type WordLimits } from './word_counter'

export interface WordCountTask {
  /** tokenizer.json whose normalizer and pre_tokenizer count, and nothing else. */
  tokenizer: string
  /** Cut further, at letters, digits and marks. */
  unspaced: boolean
  limits: WordLimits
}

/** Texts to count, or the question for words counted, piece by piece. */
export type WordCountQuestion = { texts: readonly string[] } | 'words'

export type WordCountAnswer =
  | { bytes: number; characters: number }
  | { words: string[]; counts: Float64Array }
  | { end: true; forgotten: number }
  | { problem: string }

/** Words of an answer: few enough that the main thread takes them over in a few milliseconds. */
const WORDS_A_PIECE = 4096

function* answers(task: WordCountTask): Generator<WordCountAnswer, never, WordCountQuestion> {
  const cut = cutter(task)
  const counter = new WordCounter(task.limits)
  let question = yield { bytes: 0, characters: 0 } // the first question comes by the first next() after this one
  while (question !== 'words') {
    let bytes = 0
    let characters = 0
    for (const text of question.texts) {
      bytes += Buffer.byteLength(text)
      characters += charactersIn(text)
      for (const word of cut(text)) counter.add(word)
    }
    question = yield { bytes, characters }
  }
  const all = [...counter.counts]
  for (let i = 0; i < all.length; i += WORDS_A_PIECE) {
    const piece = all.slice(i, i + WORDS_A_PIECE)
    yield { words: piece.map(([word]) => word), counts: Float64Array.from(piece, ([, count]) => count) }
  }
  for (;;) yield { end: true, forgotten: counter.forgotten }
}

function cutter({ tokenizer, unspaced }: WordCountTask): (text: string) => string[] {
  const hub = HubTokenizer.fromString(tokenizer)
  const normalizer = hub.getNormalizer()
  const preTokenizer = hub.getPreTokenizer()
  return (text) => {
    const normal = normalizer ? normalizer.normalizeString(text) : text
    const words = preTokenizer ? preTokenizer.preTokenizeString(normal).map(([word]) => word) : [normal]
    return unspaced ? words.flatMap(unspacedWords) : words
  }
}

function serve(task: WordCountTask): void {
  const iterator = answers(task)
  let begun = false
  parentPort!.on('message', (question: WordCountQuestion) => {
    try {
      if (!begun) iterator.next()
      begun = true
      parentPort!.postMessage(iterator.next(question).value)
    } catch (error) {
      parentPort!.postMessage({ problem: (error as Error).message })
    }
  })
}

serve(workerData as WordCountTask)
