/** Which heads pruning has removed, as the unpruned model counts them. */
import { isObject } from './state_dict'

/**
 * `steps` is `Pruned_heads` of an official checkpoint: what each step removed, by layer, numbered among the heads that
 * were left by then. The steps are played again. Undefined where it is something else.
 */
export function removedHeads(steps: unknown, heads: number): Record<string, number[]> | undefined {
  if (!Array.isArray(steps)) return undefined
  const left = new Map<string, number[]>()
  for (const step of steps) {
    if (!isObject(step)) return undefined
    for (const [layer, removed] of Object.entries(step)) {
      const before = left.get(layer) ?? Array.from({ length: heads }, (_, head) => head)
      if (!Array.isArray(removed) || !removed.every((head) => Number.isInteger(head) && head in before))
        return undefined
      left.set(
        layer,
        before.filter((_, place) => !removed.includes(place)),
      )
    }
  }
  const removedOf = (rest: readonly number[]) =>
    Array.from({ length: heads }, (_, head) => head).filter((head) => !rest.includes(head))
  return Object.fromEntries([...left].map(([layer, rest]) => [layer, removedOf(rest)]))
}
