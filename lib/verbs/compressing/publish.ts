/** The end of a pipeline: what the last stage has left becomes model/, with the record of the whole run. */
import { constants } from 'node:fs'
import { basename, join } from 'node:path'
import { writeModelCard } from '../../checkpoint/model_card'
import { type InputRecord, provenance } from '../../checkpoint/provenance'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { carryOver, writeJson, writeText } from '../../checkpoint/write_folder'
import type { CompressConfig } from '../../config/compress'
import { toYaml } from '../../config/parse'
import { readdir } from '../../files'
import { copyFile } from '../../writes'
import { numerics } from '../training/environment'
import type { CompressFolder } from './compress_folder'
import type { ModelAtHand } from './model_at_hand'
import type { CompressReport } from './report'

export interface Ending {
  config: CompressConfig
  /** What the last stage has left. */
  model: ModelAtHand
  /** Folder of the model that all began with. */
  original: string
  report: CompressReport
  inputs: InputRecord[]
}

/** Publishes model/, then the report beside it. */
export async function publish(folder: CompressFolder, ending: Ending): Promise<void> {
  const { config, model, original, report, inputs } = ending
  await withStagedFolder(folder.model, { overwrite: true }, async (staged) => {
    await copyWeights(model.folder.path, staged)
    await carryOver(model.folder, staged, new Set(['README.md']))
    await writeText(staged, 'resolved.yaml', toYaml(config))
    const made = numerics({ dtype: config.dtype! })
    await writeJson(staged, 'provenance.json', provenance('compress', inputs, made))
    await writeJson(staged, 'report.json', report)
    await writeModelCard(staged, {
      title: basename(folder.path),
      summary: summaryOf(report),
      origins: { model: { path: original } },
      library: report.loads_in,
      config,
    })
  })
  await folder.writeReport(report)
}

function summaryOf({ stages }: CompressReport): string {
  const [start, ...done] = stages
  const last = done.at(-1)!
  const methods = done.map(({ method }) => method).join(', ')
  return (
    `Compressed in ${done.length} stages (${methods}): ${last.parameters.total} of ` +
    `${start!.parameters.total} parameters, ${last.parameters.nonzero} of them not zero.`
  )
}

const WEIGHTS = /\.safetensors(\.index\.json)?$/

// On file systems that can, a copy shares its blocks with the original.
async function copyWeights(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (!WEIGHTS.test(name)) continue
    const file = join(to, name)
    await copyFile(join(from, name), file, constants.COPYFILE_FICLONE)
  }
}
