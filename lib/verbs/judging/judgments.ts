/** What a judge said of one model on one task: a line a judgment, kept so that nothing is asked twice. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { JudgePrompt } from '../../tasks/judging/prompt'
import type { Mode } from '../../tasks/judging/templates'
import { ratingOf, type Winner, winnerOf } from '../../tasks/judging/verdict'
import { mkdir } from '../../writes'
import { canonicalJson } from '../training/identity'
import { StepLines } from '../training/step_lines'
import type { Reply } from './endpoint'

/** A line of judgments_TASK_JUDGE_MODE.jsonl. */
export interface Judgment extends Omit<JudgePrompt, 'messages'> {
  /** It answers a prompt that this run does not ask: with another limit, language or answer. It counts in no figure. */
  earlier?: true
  /** Number of the prompt, from 0. */
  step: number
  judge: string
  /** Of the whole request: judge, prompt, settings. */
  prompt_sha256: string
  messages: JudgePrompt['messages']
  /** Word for word. */
  reply: string
  finish_reason: string | null
  usage?: Record<string, unknown>
  /** Why the endpoint did not take the request. */
  refused?: string
  /** Single: from 0 to 10; null where the reply holds none. */
  rating?: number | null
  /** Pairs: null where the reply holds no verdict. */
  winner?: Winner | null
}

/** A prompt with all that is sent beside it. */
export interface JudgeRequest {
  prompt: JudgePrompt
  sha256: string
}

export const requestOf = (prompt: JudgePrompt, body: object): JudgeRequest => ({
  prompt,
  sha256: sha256(canonicalJson(body)),
})

export function judgmentOf(
  { prompt, sha256 }: JudgeRequest,
  step: number,
  judge: string,
  { text, finish_reason, usage, refused }: Reply,
): Judgment {
  const { messages, ...row } = prompt
  const { order } = row
  return {
    ...{ step, ...row, judge, prompt_sha256: sha256 },
    ...(order === undefined ? { rating: ratingOf(text) } : { winner: winnerOf(text, order) }),
    ...{ reply: text, finish_reason },
    ...(usage && { usage }),
    ...(refused !== undefined && { refused }),
    messages,
  }
}

/**
 * By judge and mode: another judge takes nothing away from this one. Names that no file can have are told apart by a hash:
 * a/b is not a_b.
 */
export function judgmentsFile(
  folder: string,
  model: string,
  task: string,
  { judge, mode }: { judge: string; mode: Mode },
): string {
  const plain = judge.replaceAll(/[^\w.-]/g, '_')
  const name = plain === judge ? plain : `${plain}-${sha256(judge).slice(0, 8)}`
  return join(folder, 'judgments', model, `judgments_${task}_${name}_${mode}.jsonl`)
}

export class Judgments {
  private readonly lines: StepLines<Judgment>
  /** By place among the requests. */
  readonly #all: (Judgment | undefined)[]
  /** To prompts that are none of the requests: paid for, and there if they are asked again. */
  #earlier: Judgment[] = []
  #writing: Promise<void> = Promise.resolve()

  private constructor(
    private readonly requests: readonly JudgeRequest[],
    file: string,
  ) {
    this.lines = new StepLines(file, 'judgments')
    this.#all = requests.map(() => undefined)
  }

  /** Takes over what is there to the same prompts; what was refused is asked again. */
  static async open(file: string, requests: readonly JudgeRequest[]): Promise<Judgments> {
    await mkdir(dirname(file), { recursive: true })
    const judgments = new Judgments(requests, file)
    const found = new Map<string, Judgment>()
    for (const { earlier: _, ...judgment } of await judgments.lines.read()) {
      const key = keyOf(judgment, judgment.prompt_sha256)
      if (judgment.refused === undefined || !found.has(key)) found.set(key, judgment)
    }
    const keys = requests.map(({ prompt, sha256: hash }) => keyOf(prompt, hash))
    for (const [step, key] of keys.entries()) {
      const known = found.get(key)
      if (known !== undefined && known.refused === undefined) judgments.#all[step] = { ...known, step }
    }
    for (const key of keys) found.delete(key)
    judgments.#earlier = [...found.values()].map((one) => ({ earlier: true, ...one }))
    // Also where there is no whole line: what comes next must not be appended to the half of one.
    if (existsSync(file)) await judgments.#write()
    return judgments
  }

  /** Places of the requests that nobody has judged. */
  get missing(): number[] {
    return this.#all.flatMap((one, step) => (one === undefined ? [step] : []))
  }

  get answered(): number {
    return this.#all.filter((one) => one !== undefined && one.refused === undefined).length
  }

  /** One line after the other, whoever is ready first. */
  add(step: number, judge: string, reply: Reply): Promise<void> {
    const judgment = judgmentOf(this.requests[step]!, step, judge, reply)
    this.#all[step] = judgment
    this.#writing = this.#writing.then(() => this.lines.record(judgment))
    return this.#writing
  }

  /** All of this run, in the order of the questions; in the file those of earlier ones stand behind them. */
  async close(): Promise<Judgment[]> {
    await this.#write()
    return this.#all as Judgment[]
  }

  #write(): Promise<void> {
    return this.lines.write([...this.#all.filter((one) => one !== undefined), ...this.#earlier])
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

const keyOf = (
  { question_id, turn, order }: Pick<JudgePrompt, 'question_id' | 'turn' | 'order'>,
  sha256: string,
) => `${question_id} ${turn} ${order} ${sha256}`
