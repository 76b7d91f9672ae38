/** Tasks of the user: a YAML file with the keys of lm-evaluation-harness, as far as they need no Python. */
import { dirname, resolve } from 'node:path'
import { checkConfig, configError, readYaml } from '../config/parse'
import { type TaskConfig, taskSchema } from '../config/task'
import { TongueforgeError } from '../errors'
import { METRICS, PERPLEXITIES } from './metrics'
import { layoutError, texts } from './records'
import type { ChoiceTask, DataSource, Doc, RollingTask, Shots, Task } from './task'
import { checkKeys, chosen, describer, type Row, reader } from './task_keys'
import { generationTask } from './user_generation_task'

/** Throws ERR_CONFIG that names the key, ERR_NOT_FOUND, ERR_TEMPLATE. */
export async function readUserTask(file: string): Promise<Task> {
  const config = checkConfig(taskSchema, await readYaml(file), file)
  checkKeys(config, file)
  const split = config.test_split ?? config.validation_split
  if (split == null)
    throw configError(file, 'test_split: expected the name of a split, received nothing', {
      key: 'test_split',
    })
  const row = {
    name: config.task,
    version: String(config.metadata.version),
    about: file,
    file,
    source: sourceOf(config, file),
    split,
  }
  const needed = config.output_type === 'multiple_choice' ? [split, shotsOf(config, split).split] : [split]
  for (const name of needed)
    if (row.source.paths![name] === undefined)
      throw configError(file, `dataset_kwargs.data_files.${name}: expected a file, received nothing`, {
        key: `dataset_kwargs.data_files.${name}`,
      })
  if (config.output_type === 'multiple_choice') return choiceTask(row, config, file, split)
  return config.output_type === 'generate_until'
    ? generationTask(row, config, shotsOf(config, split), file)
    : rollingTask(row, config, file)
}

function choiceTask(row: Row, config: TaskConfig, file: string, split: string): ChoiceTask {
  const { doc_to_text, doc_to_choice, doc_to_target } = config
  if (doc_to_choice === undefined)
    throw configError(file, 'doc_to_choice: expected a list of answers, received nothing', {
      key: 'doc_to_choice',
    })
  const context = reader(doc_to_text, `doc_to_text of ${file}`)
  const choices =
    typeof doc_to_choice === 'string'
      ? reader(doc_to_choice, `doc_to_choice of ${file}`)
      : () => doc_to_choice
  if (doc_to_target === undefined) throw noTarget(file)
  const target = typeof doc_to_target === 'string' ? targetReader(doc_to_target, file) : () => doc_to_target
  const { target_delimiter, fewshot_delimiter, num_fewshot } = config
  return {
    ...{ ...row, kind: 'choices', target_delimiter, fewshot_delimiter, ...describer(config, file) },
    ...(num_fewshot !== undefined && { num_fewshot }),
    shots: shotsOf(config, split),
    question: (doc) => {
      const answers = texts(choices(doc), 'doc_to_choice')
      const asked = context(doc)
      if (typeof asked !== 'string') throw layoutError('doc_to_text', 'a text', asked)
      return { context: asked, answers, gold: goldOf(target(doc), answers) }
    },
    metrics: chosen(METRICS, config, ['acc', 'acc_norm'], file),
  }
}

function rollingTask(row: Row, config: TaskConfig, file: string): RollingTask {
  const perplexities = chosen(PERPLEXITIES, config, Object.keys(PERPLEXITIES), file)
  if (config.doc_to_target === undefined) throw noTarget(file)
  const target = reader(String(config.doc_to_target), `doc_to_target of ${file}`)
  const text = (doc: Doc) => {
    const found = target(doc)
    if (typeof found === 'string') return found
    throw layoutError('doc_to_target', 'a text', found)
  }
  return { ...row, kind: 'rolling', text, counted: text, perplexities }
}

const noTarget = (file: string) =>
  configError(file, 'doc_to_target: expected the right answer, received nothing', { key: 'doc_to_target' })

/** A field as it is; digits that a template makes are a place, as in the harness, also where an answer has that text. */
function targetReader(given: string, file: string): (doc: Doc) => unknown {
  const read = reader(given, `doc_to_target of ${file}`)
  return (doc) => {
    const found = read(doc)
    return typeof found === 'string' && !Object.hasOwn(doc, given) ? (placesIn(found) ?? found) : found
  }
}

const PLACE = '(?:0|[1-9]\\d*)'
const PLACES = new RegExp(`^(?:${PLACE}|\\[${PLACE}(?:, *${PLACE})*\\])$`)

const placesIn = (made: string): number | number[] | undefined =>
  PLACES.test(made) ? (JSON.parse(made) as number | number[]) : undefined

/** A place, or the text of an answer; digits that are no answer are a place. */
function goldOf(target: unknown, answers: readonly string[]): number | number[] {
  if (Array.isArray(target)) return target.map((one) => goldOf(one, answers) as number)
  if (typeof target === 'number') return placed(target, answers)
  if (typeof target !== 'string') throw layoutError('doc_to_target', 'a place or an answer', target)
  if (answers.includes(target)) return answers.indexOf(target)
  if (/^\d+$/.test(target)) return placed(Number(target), answers)
  throw layoutError('doc_to_target', `one of ${answers.join(', ')}`, target)
}

function placed(place: number, answers: readonly string[]): number {
  if (Number.isInteger(place) && place >= 0 && place < answers.length) return place
  const { code, message } = layoutError('doc_to_target', `a place from 0 to ${answers.length - 1}`, place)
  throw new TongueforgeError(code, message, {
    hint: 'Digits that a template makes are a place, as in the harness; a field by its name may have the text of an answer.',
  })
}

function sourceOf({ dataset_kwargs }: TaskConfig, file: string): DataSource {
  const paths = Object.fromEntries(
    Object.entries(dataset_kwargs.data_files).map(([split, given]) => [
      split,
      [given].flat().map((path) => resolve(dirname(file), path)),
    ]),
  )
  return { folders: [], columns: [], paths }
}

// As the harness takes them where fewshot_split says nothing; it leaves a document out where both splits have one name,
// and where neither is named.
function shotsOf(config: TaskConfig, split: string): Shots {
  const { fewshot_split, training_split, validation_split, test_split, fewshot_config } = config
  return {
    split: fewshot_split ?? training_split ?? validation_split ?? split,
    pick: fewshot_config.sampler === 'first_n' ? 'first' : 'random',
    ...((fewshot_split ?? null) === (test_split ?? null) && { without_self: true }),
    ...(config.num_fewshot === 0 && { none: true as const }),
  }
}
