/** A task with its documents read and its examples chosen: what all models are asked. */
import { existsSync } from 'node:fs'
import type { EvaluateConfig } from '../../config/evaluate'
import { TongueforgeError, toTongueforgeError } from '../../errors'
import { findSplit, readSplit } from '../../tasks/data'
import { fixedTexts } from '../../tasks/fixed_texts'
import { shotPicker } from '../../tasks/shots'
import type { ChoiceTask, Doc, FixedTexts, Question, RollingTask, Task } from '../../tasks/task'

interface Opened {
  docs: readonly Doc[]
  num_fewshot: number
  /** All files that were read. */
  files: readonly string[]
}

export interface OpenChoiceTask extends Opened {
  kind: 'choices'
  task: ChoiceTask
  texts: FixedTexts
  /** Of each document, and what stands before it. */
  questions: readonly Question[]
  shots: readonly (readonly Question[])[]
}

export interface OpenRollingTask extends Opened {
  kind: 'rolling'
  task: RollingTask
}

export type OpenTask = OpenChoiceTask | OpenRollingTask

/** Throws ERR_NOT_FOUND, ERR_DATA that names task and document, ERR_TEMPLATE. */
export async function openTask(task: Task, config: EvaluateConfig, signal?: AbortSignal): Promise<OpenTask> {
  const evaluated = await findSplit(config.data, task.source, task.split)
  const all = await readSplit(evaluated, signal)
  const docs = all.slice(0, config.limit)
  if (docs.length === 0) throw noDocuments(task.name, evaluated.files)
  if (task.kind === 'rolling') return { kind: 'rolling', task, docs, num_fewshot: 0, files: evaluated.files }
  const { texts, file } = await fixedTexts(config.data, task)
  const asked = (doc: Doc, what: string) => questionOf(task, doc, texts, what)
  const questions = docs.map((doc, i) => asked(doc, `document ${i}`))
  const num_fewshot = shotsWanted(task, config)
  const pool = num_fewshot === 0 ? undefined : await findSplit(config.data, task.source, task.shots.split)
  const poolDocs = pool === undefined ? [] : await readSplit(pool, signal)
  const pick = shotPicker(task, poolDocs, num_fewshot, config.fewshot_seed)
  const shots = docs.map((doc) => pick(doc).map((shot) => asked(shot, 'an example')))
  for (const shot of shots.flat()) checkShot(task, shot)
  const files = [...evaluated.files, ...(pool?.files ?? []), ...(file === undefined ? [] : [file])]
  const own = existsSync(task.about) && task.source.paths !== undefined ? [task.about] : []
  return { kind: 'choices', task, docs, num_fewshot, texts, questions, shots, files: [...files, ...own] }
}

function shotsWanted({ shots, num_fewshot = 0 }: ChoiceTask, config: EvaluateConfig): number {
  return shots.none ? 0 : (config.num_fewshot ?? num_fewshot)
}

function questionOf(task: ChoiceTask, doc: Doc, texts: FixedTexts, what: string): Question {
  try {
    const question = task.question(doc, texts)
    if (question.answers.length === 0)
      throw new TongueforgeError('ERR_DATA', 'expected answers, received none')
    return question
  } catch (error) {
    const { code, message, hint } = toTongueforgeError(error)
    throw new TongueforgeError(code, `${task.name}: ${what}: ${message}`, {
      hint: hint ?? 'docs/evaluate.md#data lists the layouts that are read.',
      details: { task: task.name, document: what },
      cause: error,
    })
  }
}

function checkShot({ name }: ChoiceTask, { gold, answers }: Question): void {
  const place = [gold].flat()[0]
  if (place !== undefined && answers[place] !== undefined) return
  throw new TongueforgeError('ERR_DATA', `${name}: expected an answer in each example, found one without`, {
    hint: 'Take that record out of the split of the examples.',
    details: { task: name },
  })
}

const noDocuments = (task: string, files: readonly string[]) =>
  new TongueforgeError('ERR_DATA', `${task}: expected documents, found none in ${files.join(', ')}`, {
    hint: 'Is the file complete?',
    details: { task, files: [...files] },
  })
