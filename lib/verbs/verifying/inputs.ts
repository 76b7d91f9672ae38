/** Whether the files that a model was made from are still those. */
import { sha256 } from '../../checkpoint/hashing'
import type { FileRecord, InputRecord } from '../../checkpoint/provenance'
import { stat } from '../../files'

export interface InputState {
  role: string
  path: string
  name: string
  state: 'same' | 'changed' | 'missing'
}

/** Looks at each file; at its size first, which is enough to tell most changes. */
export async function inputStates(
  inputs: readonly InputRecord[],
  signal: AbortSignal | undefined,
): Promise<InputState[]> {
  const states: InputState[] = []
  for (const { role, path, files } of inputs) {
    for (const file of files) states.push({ role, path, name: file.name, state: await stateOf(file, signal) })
  }
  return states
}

async function stateOf(
  { real_path, bytes, sha256: expected }: FileRecord,
  signal: AbortSignal | undefined,
): Promise<InputState['state']> {
  const size = await stat(real_path).then(
    (entry) => entry.size,
    () => undefined,
  )
  if (size === undefined) return 'missing'
  return size === bytes && (await sha256(real_path, signal)) === expected ? 'same' : 'changed'
}
