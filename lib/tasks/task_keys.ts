/** What the kinds of user tasks share: keys that name a field or a template, and metrics by name. */
import { configError, suggestion } from '../config/parse'
import type { TaskConfig } from '../config/task'
import { DocTemplate } from '../text/doc_template'
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
      const found = known[name]
      if (found !== undefined) return [name, found]
      const key = `metric_list.${i}.metric`
      const expected = Object.keys(known).join(', ')
      throw configError(file, `${key}: expected ${expected} with this output_type, received ${name}`, {
        hint: suggestion(name, Object.keys(known)),
        key,
      })
    }),
  )
}
