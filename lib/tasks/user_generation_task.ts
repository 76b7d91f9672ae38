/** Tasks of the user whose answers the model writes: `output_type: generate_until`. */
import { dirname, resolve } from 'node:path'
import { configError } from '../config/parse'
import type { TaskConfig } from '../config/task'
import type { Conversation, GenerationSettings, Measure } from './generation'
import { openQuestion } from './judging/answers'
import { JUDGED_SETTINGS, settingsOfCategory } from './judging/conversation'
import { MEASURES } from './measures/table'
import { layoutError } from './records'
import type { Doc, GenerationTask, Shots } from './task'
import { chosen, describer, type Row, reader } from './task_keys'

/** Throws ERR_CONFIG that names the key, ERR_TEMPLATE. */
export function generationTask(row: Row, config: TaskConfig, shots: Shots, file: string): GenerationTask {
  checkSampling(config, file)
  const { target_delimiter, fewshot_delimiter, num_fewshot } = config
  const asked = config.judged
    ? turnsReader(config, file)
    : reader(config.doc_to_text, `doc_to_text of ${file}`)
  const target = targetReader(config, file)
  const language = languageReader(config, file)
  return {
    ...{ ...row, kind: 'generation', generation: settingsOf(config), ...judgedOf(config, file) },
    ...{ target_delimiter, fewshot_delimiter, ...describer(config, file) },
    ...(num_fewshot !== undefined && { num_fewshot }),
    // An example has to have its answer.
    ...(target && !config.judged && { shots }),
    measures: measuresOf(config, file),
    ...(config.languages && { alphabets: config.languages }),
    ...(config.doc_to_part !== undefined && { partOf: partReader(config.doc_to_part, file) }),
    conversation: (doc): Conversation => {
      const [first, ...later] = textsOf(asked(doc), 'doc_to_text')
      return {
        ...{ messages: [{ role: 'user', content: first! }], later },
        ...(target && { target: target(doc) }),
        ...(language && { language: language(doc) }),
        ...(byCategory(config) && { generation: settingsOfCategory(openQuestion(doc).category) }),
      }
    },
  }
}

function measuresOf(config: TaskConfig, file: string): Record<string, Measure> {
  const { refusal_phrases, metric_list = [] } = config
  const makers = chosen(MEASURES, config, ['stop_rate'], file)
  return Object.fromEntries(
    Object.entries(makers).map(([name, make]) => {
      const rules = metric_list.find(({ metric }) => metric === name)
      return [name, make({ ...rules, refusal_phrases })]
    }),
  )
}

function turnsReader({ doc_to_text }: TaskConfig, file: string): (doc: Doc) => readonly string[] {
  if (doc_to_text === '') return (doc) => openQuestion(doc).turns
  const key = 'doc_to_text'
  throw configError(file, `${key}: expected nothing beside judged, received ${JSON.stringify(doc_to_text)}`, {
    hint: 'The turns of the user are those of the question.',
    key,
  })
}

/** Unless the task says how all answers are drawn. */
const byCategory = ({ judged, generation_kwargs: { temperature, do_sample } = NOTHING }: TaskConfig) =>
  judged !== undefined && temperature === undefined && do_sample !== false

/** Sampling has a temperature: of the task, or of the category of a question. */
function checkSampling({ judged, generation_kwargs }: TaskConfig, file: string): void {
  const { do_sample, temperature = judged ? undefined : 0 } = generation_kwargs ?? NOTHING
  if (do_sample !== true || temperature !== 0) return
  const key = 'generation_kwargs.do_sample'
  throw configError(file, `${key}: expected a temperature above 0 with true, received none`, {
    hint: 'temperature: 1 is what transformers has where nothing is said.',
    key,
  })
}

/** Where the task says nothing of how answers are written. */
const NOTHING: NonNullable<TaskConfig['generation_kwargs']> = { until: [] }

function judgedOf({ judged }: TaskConfig, file: string): Pick<GenerationTask, 'judged'> {
  if (judged === undefined) return {}
  const { references, language } = judged
  const files = references === undefined ? [] : [resolve(dirname(file), references)]
  return { judged: { references: files, language } }
}

function settingsOf({ judged, generation_kwargs = NOTHING }: TaskConfig): Partial<GenerationSettings> {
  const { until, max_gen_toks, do_sample, temperature, top_p, top_k } = generation_kwargs
  return {
    ...{ ...(judged && JUDGED_SETTINGS), stop: until, top_p, top_k },
    ...(max_gen_toks !== undefined && { max_new_tokens: max_gen_toks }),
    ...(temperature !== undefined && { temperature }),
    ...(do_sample === false && { temperature: 0 }),
  }
}

function targetReader({ doc_to_target: given }: TaskConfig, file: string) {
  if (given === undefined) return undefined
  const read = reader(String(given), `doc_to_target of ${file}`)
  return (doc: Doc): string | string[] => {
    const target = read(doc)
    if (typeof target === 'string') return target
    return typeof target === 'number' ? String(target) : textsOf(target, 'doc_to_target')
  }
}

function languageReader({ doc_to_language: given, languages }: TaskConfig, file: string) {
  if (given === undefined) return undefined
  const read = reader(given, `doc_to_language of ${file}`)
  return (doc: Doc): string => {
    const language = read(doc)
    if (typeof language !== 'string') throw layoutError('doc_to_language', 'a language', language)
    if (languages === undefined || Object.hasOwn(languages, language)) return language
    throw layoutError('doc_to_language', Object.keys(languages).join(' | '), language)
  }
}

function partReader(given: string, file: string) {
  const read = reader(given, `doc_to_part of ${file}`)
  return (doc: Doc): string => String(read(doc))
}

/** A text, or a list of at least one. */
function textsOf(value: unknown, key: string): string[] {
  const all = typeof value === 'string' ? [value] : value
  if (Array.isArray(all) && all.length > 0 && all.every((one) => typeof one === 'string')) return all
  throw layoutError(key, 'a text or a list of texts', value)
}
