/** The result of an adaptation: the picked model under a name of its own, with a card that tells how it came about. */
import { copyFile, link, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { writeFailed } from '../../checkpoint/json_file'
import { writeModelCard } from '../../checkpoint/model_card'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import { type InputRecord, provenance } from '../../checkpoint/provenance'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { carryOver, writeJson, writeText } from '../../checkpoint/write_folder'
import type { AdaptConfig } from '../../config/adapt'
import { toYaml } from '../../config/parse'
import { numerics } from '../training/environment'
import { cardOf } from './card'
import type { AdaptReport } from './report'

export interface Publication {
  config: AdaptConfig
  /** Where the model is. */
  from: string
  /** Where it goes. */
  out: string
  report: AdaptReport
  inputs: InputRecord[]
  library: 'transformers' | 'tongueforge'
  signal: AbortSignal
}

/** Throws ERR_NO_SPACE, ERR_IO. */
export async function publishModel(publication: Publication): Promise<void> {
  const { config, from, out, report, inputs, signal } = publication
  const model = await openModelFolder(from)
  await withStagedFolder(out, { overwrite: true, signal }, async (staged) => {
    await takeWeights(model, staged)
    await carryOver(model, staged, new Set(['README.md']))
    await writeText(staged, 'resolved.yaml', toYaml(config))
    await writeJson(staged, 'provenance.json', provenance('adapt', inputs, numerics(config)))
    await writeJson(staged, 'report.json', report)
    await writeModelCard(staged, cardOf(publication, basename(join(out, '..'))))
  })
}

/** The same bytes under a second name where the file system can do that: a copy of all weights would be for nothing. */
async function takeWeights({ path }: ModelFolder, to: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (!/\.(safetensors|index\.json)$/.test(name)) continue
    const [source, target] = [join(path, name), join(to, name)]
    await link(source, target).catch(() => copyFile(source, target).catch(writeFailed(target)))
  }
}
