/** What a config names that is read, found by the keys that it stands under. */
import { resolve, sep } from 'node:path'
import { realpath } from '../../files'

/** Of keys of trainings, stages, probes and evaluations. `lora` has targets of another kind. */
const READ = ['path', 'teacher', 'reference', 'targets', 'prompts', 'lexicon', 'language_model', 'baseline']

/** Files and folders in any part of a config that is checked later: whatever stands under such a key is one. */
export function pathsIn(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, value]) => {
    if (key === 'lora') return []
    return READ.includes(key) && typeof value === 'string' ? [value] : pathsIn(value)
  })
}

/** Of the tasks that an evaluation names: their files, no names. */
export const taskFiles = (tasks: readonly string[]): string[] =>
  tasks.filter((task) => /\.ya?ml$/i.test(task))

/** Of what is read, what lies in a folder that is to be replaced as a whole, wherever links lead. */
export async function pathsWithin(folder: string, read: readonly string[]): Promise<string[]> {
  const realOf = (path: string) => realpath(path).catch(() => resolve(path))
  const place = (await realOf(folder)) + sep
  const found: string[] = []
  for (const path of read) if (((await realOf(path)) + sep).startsWith(place)) found.push(path)
  return found
}
