/**
 * Answers of a task that is not done: on the disk batch by batch, so that whoever is stopped or killed goes on behind the
 * last one. Once the task has all of them they are kept whole (kept_answers.ts), and this file goes.
 */
import { dirname } from 'node:path'
import { mkdir, rm } from '../../writes'
import { StepLines } from '../training/step_lines'
import type { Turn } from './answer'
import type { KeptAnswers } from './kept_answers'

/** `step` is the turn, from 0. */
interface Line {
  step: number
  document: number
  answers_sha256: string
  said: Turn
}

const keyOf = (turn: number, document: number) => `${turn} ${document}`

export class PartialAnswers {
  readonly #known: Map<string, Turn>

  private constructor(
    private readonly lines: StepLines<Line>,
    private readonly file: string,
    private readonly hash: string,
    private readonly onKept: (() => void) | undefined,
    known: readonly Line[],
  ) {
    this.#known = new Map(known.map(({ step, document, said }) => [keyOf(step, document), said]))
  }

  /** With what an earlier session has left of the same answers; `onKept` is called where there is something. Throws ERR_DATA, ERR_IO, ERR_NO_SPACE. */
  static async open({ file, hash }: KeptAnswers, onKept?: () => void): Promise<PartialAnswers> {
    const partial = file.replace(/\.jsonl$/, '.partial.jsonl')
    await mkdir(dirname(partial), { recursive: true })
    const lines = new StepLines<Line>(partial, 'answers')
    const all = await lines.read()
    const known = all.filter(({ answers_sha256 }) => answers_sha256 === hash)
    await lines.write(known) // without a line that was cut short
    if (known.length > 0) onKept?.()
    return new PartialAnswers(lines, partial, hash, onKept, known)
  }

  /** Of a batch; undefined unless all of it is there: answers of a batch are made together. */
  find(turn: number, documents: readonly number[]): Turn[] | undefined {
    const found = documents.flatMap((document) => this.#known.get(keyOf(turn, document)) ?? [])
    return found.length === documents.length ? found : undefined
  }

  /** Of a batch that is done. Throws ERR_IO, ERR_NO_SPACE. */
  async add(turn: number, documents: readonly number[], said: readonly Turn[]): Promise<void> {
    const row = { step: turn, answers_sha256: this.hash }
    await this.lines.record(...documents.map((document, i) => ({ ...row, document, said: said[i]! })))
    this.onKept?.()
  }

  async end(): Promise<void> {
    await rm(this.file, { force: true })
  }
}
