/** A verb that goes on with what an earlier session left in the folder of a stage. */
import type { TongueforgeError } from '../../errors'

/** What of an earlier run a verb may be told to do with what is there. */
export type How = { resume: true } | { overwrite: true }

/** Whatever is there of another config, or another verb, is replaced: the folder is the adaptation's own. */
export function again<Result>(work: (how: How) => Promise<Result>): Promise<Result> {
  return work({ resume: true }).catch((error: TongueforgeError) => {
    if (error.code !== 'ERR_CHECKPOINT') throw error
    return work({ overwrite: true })
  })
}
