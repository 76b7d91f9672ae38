/** The result of an adaptation: the picked model under a name of its own, with a card that tells how it came about. */
import { basename, join } from 'node:path'
import { writeModelCard } from '../../checkpoint/model_card'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import { type InputRecord, provenance } from '../../checkpoint/provenance'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { carryOver, writeJson, writeText } from '../../checkpoint/write_folder'
import type { AdaptConfig } from '../../config/adapt'
import { toYaml } from '../../config/parse'
import { readdir } from '../../files'
import { copyFile, discard, link } from '../../writes'
import { numerics } from '../training/environment'
import { cardOf } from './card'
import type { Contest } from './contest'
import type { AdaptReport } from './report'

export interface Publication {
  config: AdaptConfig
  report: AdaptReport
  library: 'transformers' | 'tongueforge'
  /** Of the compressed model. */
  smaller: boolean
}

/**
 * model/ and compressed/, unless an earlier session has made them of the same; what by the rule of now is no result goes.
 * Throws ERR_NO_SPACE, ERR_IO.
 */
export async function publish({ plan, runner, folder }: Contest, report: AdaptReport, signal: AbortSignal) {
  const { config } = plan.read
  const winner = plan.arms.find(({ name }) => name === report.pick.picked)
  const loadsIn = report.stages.find(({ stage }) => stage === 'compress')?.figures.loads_in
  const results = [
    { stage: winner?.result, out: folder.model, library: 'transformers' as const, smaller: false },
    {
      stage: report.compressed && 'compress',
      out: folder.compressed,
      library: loadsIn as Publication['library'],
      smaller: true,
    },
  ]
  for (const { stage, out, ...how } of results) {
    if (stage === undefined) {
      await discard(out)
      continue
    }
    if (await folder.published(out, report.inputs_sha256)) continue
    await runner.need(stage)
    const model = await openModelFolder(folder.place(stage))
    await withStagedFolder(out, { overwrite: true, signal }, async (staged) => {
      await takeWeights(model, staged)
      await carryOver(model, staged, new Set(['README.md']))
      await describe(staged, plan.identity.inputs, { config, report, ...how }, basename(folder.path))
    })
  }
}

async function describe(staged: string, inputs: InputRecord[], publication: Publication, name: string) {
  const { config, report } = publication
  await writeText(staged, 'resolved.yaml', toYaml(config))
  await writeJson(staged, 'provenance.json', provenance('adapt', inputs, numerics(config)))
  await writeJson(staged, 'report.json', report)
  await writeModelCard(staged, cardOf(publication, name))
}

/** The same bytes under a second name where the file system can do that: a copy of all weights would be for nothing. */
async function takeWeights({ path }: ModelFolder, to: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (!/\.(safetensors|index\.json)$/.test(name)) continue
    const [source, target] = [join(path, name), join(to, name)]
    await link(source, target).catch(() => copyFile(source, target))
  }
}
