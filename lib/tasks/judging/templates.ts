/** Templates of the prompts for a judge, out of the user's judge_prompts.jsonl: the layout of FastChat's llm_judge. */

import { describeValue } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import { readJsonRecords } from '../../text/json_records'
import { FormatText } from './format'

export type Mode = 'single' | 'pairwise'

export interface JudgeTemplate {
  name: string
  /** The turn of the system, word for word. */
  system: string
  /** The turn of the user. */
  user: FormatText
}

/** What a template may name, by mode and turn; `ref_answer_2` stands where there is a second turn. */
const FIELDS: Readonly<Record<Mode, Readonly<Record<1 | 2, readonly string[]>>>> = {
  single: {
    1: ['question', 'answer', 'ref_answer_1'],
    2: ['question_1', 'question_2', 'answer_1', 'answer_2', 'ref_answer_1', 'ref_answer_2'],
  },
  pairwise: {
    1: ['question', 'answer_a', 'answer_b', 'ref_answer_1'],
    2: [
      ...['question_1', 'question_2', 'answer_a_1', 'answer_b_1', 'answer_a_2', 'answer_b_2'],
      ...['ref_answer_1', 'ref_answer_2'],
    ],
  },
}

/** How the judge is asked to end: what is looked for in its reply. */
const ENDS: Readonly<Record<Mode, string>> = { single: '[[rating]]', pairwise: '[[A]]' }
const NAMES: Readonly<Record<Mode, { plain: string; math: string }>> = {
  single: { plain: 'single-v1', math: 'single-math-v1' },
  pairwise: { plain: 'pair-v2', math: 'pair-math-v1' },
}

/** Whose answers are right or wrong: they are shown beside a reference. */
const WITH_REFERENCE: ReadonlySet<string> = new Set(['math', 'reasoning', 'coding'])

/** Of a question of this category and this turn, counted from 1. */
export function templateName(mode: Mode, category: string, turn: 1 | 2): string {
  const name = NAMES[mode][WITH_REFERENCE.has(category) ? 'math' : 'plain']
  return turn === 1 ? name : `${name}-multi-turn`
}

export class JudgeTemplates {
  private constructor(
    readonly file: string,
    private readonly mode: Mode,
    private readonly records: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
  ) {}

  /** Throws ERR_NOT_FOUND, ERR_DATA. */
  static async read(file: string, mode: Mode, signal?: AbortSignal): Promise<JudgeTemplates> {
    const records = new Map<string, Readonly<Record<string, unknown>>>()
    for await (const { record } of readJsonRecords(file, { signal }))
      records.set(stringOf(record, 'name', file), record)
    return new JudgeTemplates(file, mode, records)
  }

  /** Throws ERR_DATA that names file, template and what is wrong with it. */
  of(category: string, turn: 1 | 2): JudgeTemplate {
    const name = templateName(this.mode, category, turn)
    const record = this.records.get(name)
    if (record === undefined) throw this.#missing(name)
    const place = `${this.file}: ${name}`
    if (record.output_format !== ENDS[this.mode])
      throw templateError(place, `output_format ${ENDS[this.mode]}`, describeValue(record.output_format))
    const user = new FormatText(stringOf(record, 'prompt_template', place), `${place}: prompt_template`)
    const known = FIELDS[this.mode][turn]
    const odd = [...user.fields].find((field) => !known.includes(field))
    if (odd !== undefined)
      throw templateError(place, known.map((field) => `{${field}}`).join(', '), `{${odd}}`)
    return { name, system: stringOf(record, 'system_prompt', place), user }
  }

  #missing(name: string): TongueforgeError {
    const there = [...this.records.keys()].join(', ') || 'none'
    return new TongueforgeError('ERR_DATA', `${this.file}: expected the template ${name}, found ${there}`, {
      hint: 'judge_prompts.jsonl of FastChat has it, in fastchat/llm_judge/data.',
      details: { file: this.file, template: name },
    })
  }
}

const templateError = (place: string, expected: string, received: string) =>
  new TongueforgeError('ERR_DATA', `${place}: expected ${expected}, received ${received}`, {
    hint: 'docs/judge.md#templates says what a template holds.',
    details: { place },
  })

function stringOf(record: Readonly<Record<string, unknown>>, key: string, place: string): string {
  const value = record[key]
  if (typeof value === 'string') return value
  throw templateError(`${place}: ${key}`, 'text', describeValue(value))
}
