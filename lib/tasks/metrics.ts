/** How answers are counted, and what is made of many: as lm-evaluation-harness does it, to the last tie. */
import { bytes, length } from '../text/python_text'
import type { Question } from './task'

/** A question with the log-likelihoods of its answers, natural logarithm. */
export interface Scored {
  question: Question
  log_likelihoods: readonly number[]
}

export type Metric = (scored: Scored) => number

/** 1 where the likeliest answer is right. */
export const acc: Metric = ({ question, log_likelihoods }) => hit(question, log_likelihoods)

/** The same of log-likelihoods divided by the characters of the answers, so that long ones have a chance. */
export const accNorm: Metric = (scored) => hit(scored.question, dividedBy(scored, length))

/** The same by bytes of UTF-8. */
export const accBytes: Metric = (scored) => hit(scored.question, dividedBy(scored, bytes))

/** The probability of the right answers, where that of all answers is 1 (TruthfulQA's mc2). */
export const shareOfTruth: Metric = ({ question, log_likelihoods }) => {
  const probabilities = log_likelihoods.map(Math.exp)
  const all = sum(probabilities)
  return sum([question.gold].flat().map((place) => probabilities[place as number]! / all))
}

/** Metrics that a user's task may name. */
export const METRICS: Readonly<Record<string, Metric>> = { acc, acc_norm: accNorm, acc_bytes: accBytes }

/** The first of the greatest, or the first that is no number, as numpy takes it. */
export function argmax(numbers: readonly number[]): number {
  const odd = numbers.findIndex(Number.isNaN)
  return odd >= 0 ? odd : numbers.indexOf(Math.max(...numbers))
}

function hit({ gold }: Question, numbers: readonly number[]): number {
  return [gold].flat().includes(argmax(numbers)) ? 1 : 0
}

function dividedBy({ question, log_likelihoods }: Scored, size: (answer: string) => number): number[] {
  return log_likelihoods.map((one, i) => one / size(question.answers[i]!))
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)

export const mean = (numbers: readonly number[]): number => sum(numbers) / numbers.length

/** Of a mean, by the deviation of the sample; null of one alone. */
export function stderrOfMean(numbers: readonly number[]): number | null {
  const count = numbers.length
  if (count < 2) return null
  const middle = mean(numbers)
  const variance = sum(numbers.map((one) => (one - middle) ** 2)) / (count - 1)
  return Math.sqrt(variance) / Math.sqrt(count)
}

/** What a group tells of its tasks: the mean over all documents. */
export interface Part {
  value: number
  stderr: number | null
  documents: number
}

export function pooled(parts: readonly Part[]): Part {
  const documents = sum(parts.map((part) => part.documents))
  const value = sum(parts.map((part) => part.value * part.documents)) / documents
  if (parts.some(({ stderr }) => stderr === null)) return { value, stderr: null, documents }
  // The variances within the tasks, put together; what lies between the tasks does not count.
  const within = sum(parts.map(({ stderr, documents: n }) => (n - 1) * stderr! ** 2 * n))
  return { value, stderr: Math.sqrt(within / (documents - parts.length) / documents), documents }
}

/** A text that was foretold from its beginning to its end. */
export interface Rolled {
  log_likelihood: number
  words: number
  bytes: number
}

/** Over all texts: long ones weigh more. */
export type Perplexity = (texts: readonly Rolled[]) => number

export const PERPLEXITIES: Readonly<Record<string, Perplexity>> = {
  word_perplexity: (texts) => Math.exp(-perUnit(texts, 'words')),
  byte_perplexity: (texts) => Math.exp(-perUnit(texts, 'bytes')),
  bits_per_byte: (texts) => -perUnit(texts, 'bytes') / Math.LN2,
}

const perUnit = (texts: readonly Rolled[], unit: 'words' | 'bytes') =>
  sum(texts.map((text) => text.log_likelihood)) / sum(texts.map((text) => text[unit]))
