/** How the weights that a verb wrote are made again, to be compared. One row a verb. */
import { graftSchema } from '../../config/graft'
import { checkConfig } from '../../config/parse'
import { type ByteProgress, type JobCallbacks, runJob, type StreamCheck } from '../../native'
import { prepareGraft } from '../graft'
import { prepareMerge } from '../merge'

export interface CheckOptions {
  /** The model folder that is verified. */
  folder: string
  /** At most so many chunks are made again. */
  chunks: number
  seed: number
}

/** `config` is resolved.yaml without its verb. */
type Check = (
  config: unknown,
  options: CheckOptions,
  callbacks: JobCallbacks<ByteProgress>,
) => Promise<StreamCheck>

export const CHECKS: Record<string, Check> = {
  graft: async (config, options, callbacks) => {
    const { native } = await prepareGraft(checkConfig(graftSchema, config, 'resolved.yaml'))
    return runJob('checkGraft', { ...native, ...options }, callbacks)
  },
  merge: async (config, { folder, chunks, seed }, callbacks) => {
    const { plan } = await prepareMerge(config as object)
    return runJob('checkConfigMerge', { ...plan.native, folder, chunks, seed_of_chunks: seed }, callbacks)
  },
}
