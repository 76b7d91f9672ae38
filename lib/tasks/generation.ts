/** Tasks whose answers are written by the model: what is asked, what comes back, and what a measure sees of it. */
import type { Message } from '../text/chat_template'
import type { FoundLanguage } from '../text/language/matching'

/** A question with its answer. */
export interface Example {
  asked: string
  answer: string
}

/** How answers are drawn. */
export interface GenerationSettings {
  max_new_tokens: number
  /** 0: always the most probable token. */
  temperature: number
  top_p?: number | undefined
  top_k?: number | undefined
  /** Document i draws with seed + i. */
  seed: number
  /** Texts that end an answer; they are not part of it. */
  stop: readonly string[]
}

/** What a model is asked by one document. */
export interface Conversation {
  /** Stands before all else, where the document decides it. */
  description?: string
  /** What stands before the first answer: turns of system, user and assistant, the last one the user's. */
  messages: readonly Message[]
  /** Questions with their answers that stand before it. */
  examples?: readonly Example[]
  /** Further turns of the user: each is asked behind the model's own answer to the one before. */
  later?: readonly string[]
  /** The right answer, or several that are right. */
  target?: string | readonly string[]
  /** The language that answers are expected in, as BCP 47 has it; default: that of the first turn of the user. */
  language?: string
  /** Stands before each answer where it is scored: what the answer goes on with (BOLD). */
  scored_behind?: string
  /** Of this document alone. */
  generation?: Partial<GenerationSettings>
}

/** One answer of a model. */
export interface Answer {
  text: string
  /** stop: ended by the model or by a text that the task stops at; length: cut off. */
  finish_reason: 'stop' | 'length'
  /** New ones, without the one that ended it. */
  tokens: number
}

/** What was found out about the answers of one document before they are measured, for the measures that need it. */
export interface Findings {
  /** The language that is expected; undefined where neither the task nor the prompt tells. */
  expected?: string | undefined
  /** Of each answer. */
  languages?: readonly FoundLanguage[]
  /** By name of a scorer, of each answer; null of one without a word, or that the scorer does not take. */
  scores?: Readonly<Record<string, readonly (number | null)[]>>
}

/** A document with all that a measure may look at. */
export interface Answered {
  conversation: Conversation
  /** Of each turn, at least one. */
  answers: readonly Answer[]
  found: Findings
}

/** A number for each document; what models are compared by is its mean. */
export interface Measure {
  /** What has to be found out first: `language`, or the name of a scorer. */
  needs?: readonly string[]
  /** null where the document tells nothing: it is left out of the mean. */
  of(answered: Answered): number | null
}
