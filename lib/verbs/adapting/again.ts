/** A verb that goes on with what an earlier session left in the folder of a stage. */
import type { TongueforgeError } from '../../errors'
import { rm } from '../../writes'

/** What a verb is told to do with what is there. */
export interface How {
  resume?: boolean
  overwrite?: boolean
}

/**
 * Whatever is there of another config is replaced, and what is of another verb, or was cut short before it was a run of any,
 * is deleted: the folder is the adaptation's own.
 */
export async function again<Result>(
  { out }: { out: string },
  work: (how: How) => Promise<Result>,
  how: How = { resume: true },
): Promise<Result> {
  try {
    return await work(how)
  } catch (error) {
    const { code } = error as TongueforgeError
    if (code === 'ERR_CHECKPOINT') return work({ overwrite: true })
    if (code !== 'ERR_EXISTS') throw error
    await rm(out, { recursive: true, force: true })
    return work(how)
  }
}
