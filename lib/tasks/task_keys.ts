/** What the kinds of user tasks share: keys that name a field or a template, and metrics by name. */
import { configError, suggestion } from '../config/parse'
import type { TaskConfig } from '../config/task'
import { DocTemplate } from '../text/doc_template'
import { layoutError } from './records'
import type { Doc, Task } from './task'

/** What a task of any kind has. */
export type Row = Pick<Task, 'name' | 'version' | 'about' | 'file' | 'source' | 'split'>

/** A field of the record, or a template over it. */
export function reader(given: string, name: string): (doc: Doc) => unknown {
  const template = new DocTemplate(given, name)
  const isExpression = /^\s*\{\{[^{}]*\}\}\s*$/.test(given)
  return (doc) => {
    if (Object.hasOwn(doc, given)) return doc[given]
    return isExpression ? template.value(doc) : template.render(doc)
  }
}

/** What stands before all else: a field of the record, or a template over it. */
export function describer({ description: given }: TaskConfig, file: string) {
  if (given === '') return {}
  const template = new DocTemplate(given, `description of ${file}`)
  const descriptionOf = (doc: Doc): string => {
    const found = Object.hasOwn(doc, given) ? (doc[given] ?? '') : template.render(doc)
    if (typeof found === 'string') return found
    throw layoutError('description', 'a text', found)
  }
  return { descriptionOf }
}

/** Keys that say something to one output_type alone: elsewhere nobody would follow them. */
const KEYS_OF: Readonly<Record<TaskConfig['output_type'], readonly (keyof TaskConfig)[]>> = {
  multiple_choice: ['doc_to_choice'],
  loglikelihood_rolling: [],
  generate_until: [
    ...(['doc_to_language', 'doc_to_part', 'languages', 'refusal_phrases', 'judged'] as const),
    'generation_kwargs',
  ],
}

/** Rules of `exact_match` and `contains`. */
const RULES = ['ignore_case', 'ignore_punctuation', 'ignore_numbers', 'regexes_to_ignore'] as const
const WITH_RULES = ['exact_match', 'contains']

/** Throws ERR_CONFIG for a key that has no effect with this output_type or metric. */
export function checkKeys(config: TaskConfig, file: string): void {
  for (const [type, keys] of Object.entries(KEYS_OF))
    for (const key of keys)
      if (config[key] !== undefined && type !== config.output_type)
        throw configError(
          file,
          `${key}: expected output_type ${type} with it, received ${config.output_type}`,
          {
            hint: 'Leave it out, or give the other output_type.',
            key,
          },
        )
  for (const [i, given] of (config.metric_list ?? []).entries())
    for (const rule of RULES)
      if (given[rule] !== undefined && !WITH_RULES.includes(given.metric)) {
        const key = `metric_list.${i}.${rule}`
        const expected = WITH_RULES.join(' or ')
        throw configError(file, `${key}: expected the metric ${expected} with it, received ${given.metric}`, {
          hint: 'Leave it out.',
          key,
        })
      }
}

/** Metrics that a task names, else the usual ones. Throws ERR_CONFIG for one that is none of its kind. */
export function chosen<Kind>(
  known: Readonly<Record<string, Kind>>,
  { metric_list }: TaskConfig,
  usual: readonly string[],
  file: string,
): Record<string, Kind> {
  const names = metric_list?.map(({ metric }) => metric) ?? usual
  return Object.fromEntries(
    names.map((name, i) => {
      if (Object.hasOwn(known, name)) return [name, known[name]!]
      const key = `metric_list.${i}.metric`
      const expected = Object.keys(known).join(', ')
      throw configError(file, `${key}: expected ${expected} with this output_type, received ${name}`, {
        hint: suggestion(name, Object.keys(known)),
        key,
      })
    }),
  )
}
