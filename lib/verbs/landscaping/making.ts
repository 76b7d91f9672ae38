/** The model of a point: a run of `compress` under points/. */
import { join } from 'node:path'
import type { TongueforgeError } from '../../errors'
import { discard } from '../../writes'
import { type CompressResult, compress } from '../compress'
import type { PlannedPoint } from './plan'

export interface MakingOptions {
  signal: AbortSignal
  onWarning: (message: string) => void
  onProgress: (progress: { label: string; done: number; total: number }) => void
  /** Called where a point that is stopped has left something to go on with. */
  onKept: () => void
}

export interface Made {
  /** Model folder. */
  model: string
  /** Of the work of all stages. */
  seconds: number
}

/** Goes on with what an earlier session left of the same point; what is of another model or text is replaced. */
export async function makePoint({ compress: config }: PlannedPoint, options: MakingOptions): Promise<Made> {
  const run = async (how: { resume: true } | { overwrite: true }) => {
    const work = compress(config, { ...options, ...how })
    for await (const event of work) {
      const { stage, ...told } = event
      if (told.event === 'step') options.onProgress({ label: stage, done: told.step, total: told.steps })
    }
    return work.result
  }
  const { model, report } = await run({ resume: true }).catch((error: TongueforgeError) => {
    if (error.code !== 'ERR_CHECKPOINT') throw error
    return run({ overwrite: true })
  })
  return { model, seconds: secondsOf(report) }
}

const secondsOf = (report: CompressResult['report']) => ('seconds' in report ? report.seconds : 0)

/** Deletes the models of a point that is measured; its report, config and curves stay. */
export async function forgetModels({ compress: { out } }: PlannedPoint): Promise<void> {
  for (const name of ['model', 'stages']) await discard(join(out, name))
}
