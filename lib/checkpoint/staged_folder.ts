/** Model folders appear whole or not at all: made under a hidden name beside their place, synced, then renamed. */
import { runJob } from '../native'

export interface StageOptions {
  overwrite?: boolean | undefined
  /** Go on with the folder that an interrupted run left; if this one is interrupted or fails, leave it again. */
  resume?: boolean | undefined
  /** Folders that are read: `out` may not be one of them, lie in one or contain one. */
  inputs?: readonly string[]
  signal?: AbortSignal | undefined
  /** Called where `resume` has left something for the next run. */
  onKept?: (() => void) | undefined
}

/**
 * Calls `fill` with a hidden folder and publishes it as `out`. If anything fails, or the signal fires, `out` is as
 * before and the hidden folder is gone, unless `resume` leaves it, with its journal, for the next run. Throws
 * ERR_EXISTS unless `overwrite` is set.
 */
export async function withStagedFolder<Result>(
  out: string,
  { overwrite = false, resume = false, inputs = [], signal, onKept }: StageOptions,
  fill: (folder: string) => Promise<Result>,
): Promise<Result> {
  const { path: staged } = await runJob('stageFolder', { out, overwrite, resume, inputs }, { signal })
  try {
    const result = await fill(staged)
    await runJob('publishFolder', { staged, out, overwrite }, { signal })
    return result
  } catch (error) {
    if (!resume) await runJob('discardFolder', { staged })
    else if ((await runJob('keepFolder', { staged })).kept) onKept?.()
    throw error
  }
}
