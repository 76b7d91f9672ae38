/** A chat vector at a given scale, by the verb `graft`. */

import type { ByteProgress } from '../../../native'
import { type GraftOptions, type GraftReport, graft, graftConfig, prepareGraft } from '../../graft'
import { again } from '../again'
import type { StageKind } from '../stage'

const stage: StageKind<GraftOptions> = {
  makesModel: true,
  async read(config) {
    graftConfig(config as GraftOptions)
    return config as GraftOptions
  },
  decisive: ({ scale }) => ({ scale }),
  content: async () => ({}),
  async needs(config) {
    const { plan } = await prepareGraft(graftConfig(config))
    const advice = 'Take a machine with more memory.'
    return { memory_bytes: STREAMED_BYTES, advice, model_bytes: plan.bytes_to_write, working_bytes: 0 }
  },
  run: (config, { signal, onWarning, onProgress, onKept }) =>
    again(
      config,
      async (how) => {
        const told = ({ done_bytes: done, total_bytes: total }: ByteProgress) =>
          onProgress({ label: 'adding the chat vector', done, total })
        const listeners = { signal, onWarning, onProgress: told, onKept }
        const report: GraftReport = await graft({ ...config, ...how }, listeners)
        return { figures: { scale: config.scale as number }, seconds: report.seconds ?? 0 }
      },
      // What is there, if anything, came of other inputs, or was not told of any more.
      { resume: true, overwrite: true },
    ),
}

/** Of the process, whatever the size of the models: measured (bench/README.md). */
const STREAMED_BYTES = 400e6

export default stage
