/** Targets for speech models: k-means over frames. load -> plan -> run -> save -> report. Docs: docs/clusters.md. */
import { createHash } from 'node:crypto'
import { writeFrontEndConfig } from '../audio/front_end_config'
import { type InputRecord, provenance } from '../checkpoint/provenance'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { writeJson, writeText } from '../checkpoint/write_folder'
import { checkOptions } from '../config/call_options'
import type { ClustersConfig } from '../config/clusters'
import { toYaml } from '../config/parse'
import { runJob } from '../native'
import { type Features, openFeatures } from './clustering/features'
import { type Learnt, recordLearnt, resumeLearnt } from './clustering/journal'
import { learnCentres, type Working, writeLabels } from './clustering/learn'
import { type ClustersPlan, planClusters, readClustersConfig } from './clustering/plan'
import {
  type ClustersPlanReport,
  type ClustersReport,
  describeClusters,
  planReport,
  reportOf,
} from './clustering/report'
import { type ConfiguredOptions, type LabelledProgress, RESUMABLE } from './run'
import { canonicalJson, recordWhole } from './training/identity'
import { pathsIn, pathsWithin } from './training/read_paths'

export type { ClustersPlanReport, ClustersReport } from './clustering/report'

export interface ClustersOptions extends ConfiguredOptions<LabelledProgress> {
  /** Called where a run that is stopped has left centres to go on with. */
  onKept?: (() => void) | undefined
}

/**
 * Learns clusters of the frames of sound, as a YAML file or an object says, and labels every frame: the targets of masked
 * training. The folder appears whole or not at all. Same machine, build and config: the same bytes, also when it was
 * stopped and resumed. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA, ERR_EXISTS, and what a model throws.
 */
export async function clusters(
  source: string | object,
  options: ClustersOptions = {},
): Promise<ClustersReport | ClustersPlanReport> {
  checkOptions('clusters', options, RESUMABLE)
  const { overwrite = false, dryRun = false, overrides = [] } = options
  const config = await readClustersConfig(source, overrides)
  const inputs = await inputsOf(config)
  await runJob('checkOutput', { out: config.out, overwrite, inputs })
  const features = await openFeatures(config)
  try {
    const plan = await planClusters(config, features, options)
    const foretold = planReport(config, plan, features)
    if (dryRun) return foretold
    const stage = { ...options, overwrite, inputs }
    return await withStagedFolder(config.out, stage, (staged) => run(staged, config, plan, features, options))
  } finally {
    await features.close()
  }
}

const inputsOf = async ({ model, out, data, label_only }: ClustersConfig): Promise<string[]> => [
  ...[model ?? []].flat(),
  ...(await pathsWithin(out, pathsIn([data, label_only]))),
]

async function run(
  staged: string,
  config: ClustersConfig,
  plan: ClustersPlan,
  features: Features,
  working: Working,
): Promise<ClustersReport> {
  const start = performance.now()
  const signal = working.signal ?? new AbortController().signal
  const model = features.files && (await recordWhole('model', features.files, signal))
  const identity = model ? hashed([plan.identity, canonicalJson(model.content)]) : plan.identity
  const before = await resumeLearnt(staged, identity)
  const learnt = before ?? (await learn(staged, config, { ...plan, identity }, features, working))
  if (before) await features.prepare(plan.data, {}, before.frontEnd)
  const labelled = await writeLabels(staged, plan, config, features, working)
  const report = reportOf(planReport(config, plan, features), learnt.outcome, labelled, {
    resumed: before !== undefined,
    seconds_taken: (performance.now() - start) / 1000,
  })
  await save(staged, config, features, { report, model: model?.input })
  return report
}

const hashed = (texts: readonly string[]) => createHash('sha256').update(texts.join(' ')).digest('hex')

async function learn(
  staged: string,
  config: ClustersConfig,
  plan: ClustersPlan,
  features: Features,
  working: Working,
): Promise<Learnt> {
  const { signal, onProgress } = working
  const { threads } = config
  await features.prepare(plan.data, {
    ...{ signal, threads },
    onProgress: (progress) => onProgress?.({ label: 'statistics', ...progress }),
  })
  const outcome = await learnCentres(staged, plan, config, features, working)
  const learnt = { identity: plan.identity, outcome, frontEnd: features.frontEnd }
  await recordLearnt(staged, learnt)
  return learnt
}

/** All files but the centres and the labels. */
async function save(
  staged: string,
  config: ClustersConfig,
  features: Features,
  { report, model }: { report: ClustersReport; model: InputRecord | undefined },
): Promise<void> {
  await writeJson(staged, 'clusters.json', describeClusters(config, features))
  if (features.frontEnd) await writeFrontEndConfig(staged, features.frontEnd)
  await writeText(staged, 'resolved.yaml', toYaml(config))
  const records = [...config.data, ...(config.label_only ?? [])].map(({ path }) => ({
    role: 'data',
    path,
    files: [],
  }))
  await writeJson(
    staged,
    'provenance.json',
    provenance('clusters', [...(model ? [model] : []), ...records], { seed: config.seed }),
  )
  await writeJson(staged, 'report.json', report)
}
