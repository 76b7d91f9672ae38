/** Model folders appear whole or not at all: made under a hidden name beside their place, synced, then renamed. */
import { runJob } from '../native'

export interface StageOptions {
  overwrite?: boolean | undefined
  /** Folders that are read: `out` may not be one of them, lie in one or contain one. */
  inputs?: readonly string[]
  signal?: AbortSignal | undefined
}

/**
 * Calls `fill` with a hidden folder and publishes it as `out`. If anything fails, or the signal fires, `out` is as
 * before and the hidden folder is gone. Throws ERR_EXISTS unless `overwrite` is set.
 */
export async function withStagedFolder<Result>(
  out: string,
  { overwrite = false, inputs = [], signal }: StageOptions,
  fill: (folder: string) => Promise<Result>,
): Promise<Result> {
  const { path: staged } = await runJob('stageFolder', { out, overwrite, inputs }, { signal })
  try {
    const result = await fill(staged)
    await runJob('publishFolder', { staged, out, overwrite }, { signal })
    return result
  } catch (error) {
    await runJob('discardFolder', { staged })
    throw error
  }
}
