/** Benchmarks of many subjects: a task each, a group for each field and one for all. */
import type { ChoiceTask, TaskGroup } from './task'

/** `fields`: the subjects of each field, blanks between them; the field '' makes no group of its own. */
export function groupsOf(
  name: string,
  about: string,
  fields: Readonly<Record<string, string>>,
  subject: (config: string) => ChoiceTask,
): { tasks: ChoiceTask[]; groups: TaskGroup[] } {
  const parts = Object.entries(fields).map(([field, words]) => ({
    field,
    tasks: words.trim().split(/\s+/).map(subject),
  }))
  const tasks = parts.flatMap((part) => part.tasks)
  const group = (as: string, told: string, some: readonly ChoiceTask[]): TaskGroup => ({
    name: as,
    about: told,
    tasks: some.map((task) => task.name),
  })
  const groups = parts
    .filter(({ field }) => field !== '')
    .map((part) => group(`${name}_${part.field}`, `${about}: ${part.field.replaceAll('_', ' ')}`, part.tasks))
  return { tasks, groups: [group(name, about, tasks), ...groups] }
}
