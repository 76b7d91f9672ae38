/** What a pipeline needs of disk and memory: met before it begins. */
import { checkSpace } from '../../checkpoint/disk_space'
import type { CompressConfig } from '../../config/compress'
import { foretoldFigures } from './figures'
import type { PlannedStage } from './plan'
import type { Shape } from './stage'

/** Bytes of the folders that are there at once, at most: of stages, and of the result beside them. */
export function diskBytes(
  { keep, dtype }: CompressConfig,
  start: Shape,
  planned: readonly PlannedStage[],
): number {
  let known = foretoldFigures(start, dtype!)!.bytes
  // What only the weights can tell is no larger than what was there before.
  const sizes = planned.map(({ after }) => {
    known = foretoldFigures(after, dtype!)?.bytes ?? known
    return known
  })
  const result = sizes.at(-1)!
  if (keep === 'all') return sizes.reduce((sum, bytes) => sum + bytes, result)
  return Math.max(...sizes.map((bytes, i) => bytes + (sizes[i + 1] ?? result)))
}

/** Throws ERR_NO_SPACE. */
export async function checkDisk(out: string, bytes: number): Promise<void> {
  await checkSpace(
    out,
    bytes,
    'the models of the stages and the result',
    'Free space, choose another out, or keep: last.',
  )
}
