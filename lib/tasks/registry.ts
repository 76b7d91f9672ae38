/** Every task and group by name. A new one: a file beside this, a row here, a case in test/parity/evaluate_cases.py. */
import { extname } from 'node:path'
import { suggestion } from '../config/parse'
import { TongueforgeError } from '../errors'
import { ARC } from './arc'
import { BOLD } from './bold'
import { CEVAL, CEVAL_GROUPS } from './ceval'
import { HELLASWAG } from './hellaswag'
import { LANGUAGE_ALIGNMENT } from './language_alignment'
import { MMLU, MMLU_GROUPS } from './mmlu'
import { MT_BENCH } from './mt_bench'
import { REAL_TOXICITY_PROMPTS } from './real_toxicity_prompts'
import type { Task, TaskGroup } from './task'
import { TMMLUPLUS, TMMLUPLUS_GROUPS } from './tmmluplus'
import { TOXIGEN } from './toxigen'
import { TRUTHFULQA } from './truthfulqa'
import { readUserTask } from './user_task'
import { VICUNA } from './vicuna'
import { WIKITEXT } from './wikitext'
import { WINOGRANDE } from './winogrande'
import { XCOPA, XCOPA_GROUPS } from './xcopa'

export const TASKS: readonly Task[] = [
  ...ARC,
  HELLASWAG,
  ...MMLU,
  ...TMMLUPLUS,
  ...CEVAL,
  ...TRUTHFULQA,
  WINOGRANDE,
  ...XCOPA,
  WIKITEXT,
  LANGUAGE_ALIGNMENT,
  TOXIGEN,
  REAL_TOXICITY_PROMPTS,
  BOLD,
  MT_BENCH,
  VICUNA,
]

export const GROUPS: readonly TaskGroup[] = [
  ...MMLU_GROUPS,
  ...TMMLUPLUS_GROUPS,
  ...CEVAL_GROUPS,
  ...XCOPA_GROUPS,
]

/** What was asked for, each task once, in the order of the names; groups with all their tasks. */
export interface ChosenTasks {
  tasks: Task[]
  groups: TaskGroup[]
}

/** Names of tasks and groups, and paths of YAML files. Throws ERR_CONFIG with the nearest name for an unknown one. */
export async function chooseTasks(names: readonly string[]): Promise<ChosenTasks> {
  const tasks = new Map<string, Task>()
  const groups: TaskGroup[] = []
  for (const name of names) {
    const group = GROUPS.find((one) => one.name === name)
    if (group && !groups.includes(group)) groups.push(group)
    const found = isTaskFile(name) ? [await readUserTask(name)] : tasksNamed(group?.tasks ?? [name])
    for (const task of found) {
      const before = tasks.get(task.name)
      if (before !== undefined && before !== task) throw namedTwice(name, task.name)
      tasks.set(task.name, task)
    }
  }
  return { tasks: [...tasks.values()], groups }
}

const isTaskFile = (name: string) => ['.yaml', '.yml'].includes(extname(name))

const tasksNamed = (names: readonly string[]): Task[] =>
  names.map((name) => {
    const task = TASKS.find((one) => one.name === name)
    if (task !== undefined) return task
    const known = [...GROUPS, ...TASKS].map((one) => one.name)
    const short = known.filter((one) => !/^(mmlu|tmmluplus|ceval-valid|xcopa)_/.test(one))
    throw new TongueforgeError('ERR_CONFIG', `tasks: expected a task, received '${name}'`, {
      hint:
        suggestionOf(name, known) ??
        `Known: ${short.join(', ')}, their parts, and your own task files, *.yaml.`,
      details: { key: 'tasks', received: name },
    })
  })

/** Only where a name is near. */
function suggestionOf(name: string, known: readonly string[]): string | undefined {
  const hint = suggestion(name, known)
  return hint?.startsWith('Did you mean') ? hint : undefined
}

const namedTwice = (file: string, task: string) =>
  new TongueforgeError('ERR_CONFIG', `${file}: task: expected a name of its own, received ${task} twice`, {
    hint: 'Give your task another name.',
    details: { key: 'task', file },
  })
