/** The tensors of a model in a file of torch, by name. */
import { describeValue, type JsonObject } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import type { TorchFileContent, TorchTensor } from '../../native'

export type StateDict = Map<string, TorchTensor>

/** What stands at a key of the tree of a file; undefined where there is nothing, or a tensor. */
export function partOf(tree: unknown, key: string): unknown {
  return isObject(tree) ? tree[key] : undefined
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The tensors right under a key, or on top. Throws ERR_PICKLE where there are none, or where some stand deeper: then it
 * is no state dict.
 */
export function stateDict(file: string, { tree, tensors }: TorchFileContent, under?: string): StateDict {
  const start = under === undefined ? [] : [under]
  const inside = tensors.filter(({ path }) => start.every((key, i) => path[i] === key))
  const flat = inside.every(({ path }) => path.length === start.length + 1)
  const dict = under === undefined ? tree : partOf(tree, under)
  if (!flat || inside.length === 0 || !isObject(dict)) throw noStateDict(file, tree, under)
  return new Map(inside.map((tensor) => [tensor.path.at(-1)!, tensor]))
}

/** Keys of a state dict that hold something else than tensors. */
export function otherKeys(dict: unknown): string[] {
  return isObject(dict) ? Object.keys(dict).filter((key) => dict[key] !== undefined) : []
}

function noStateDict(file: string, tree: unknown, under: string | undefined): TongueforgeError {
  const where = under === undefined ? '' : ` under "${under}"`
  const keys = isObject(tree) ? Object.keys(tree).slice(0, 20) : []
  const received = keys.length > 0 ? `the keys ${keys.join(', ')}` : describeValue(tree)
  return new TongueforgeError(
    'ERR_PICKLE',
    `${file}: expected the tensors of a model by name${where}, received ${received}`,
    {
      hint: 'Save the tensors alone in Python: torch.save(model.state_dict(), FILE).',
      details: { file, reason: 'no_state_dict', keys },
    },
  )
}
