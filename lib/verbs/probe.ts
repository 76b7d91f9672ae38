/** Probes on what a speech encoder, as it is, makes of sound. load -> plan -> run -> save -> report. Docs: docs/probe.md. */
import { createHash } from 'node:crypto'
import { FrontEnd } from '../audio/front_end'
import { HeardFrames } from '../audio/heard_frames'
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import { modelSpec } from '../checkpoint/model_spec'
import { type InputRecord, provenance } from '../checkpoint/provenance'
import type { SpeechSpec } from '../checkpoint/speech_config'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { writeJson, writeText } from '../checkpoint/write_folder'
import { checkOptions } from '../config/call_options'
import { checkConfig, configError, readGiven, toYaml } from '../config/parse'
import { type ProbeConfig, probeSchema } from '../config/probe'
import { native, runJob } from '../native'
import { VERSION } from '../version'
import { loadedEncoder } from './loaded_encoder'
import { fitProbe } from './probing/fit'
import { GatheredStates } from './probing/gather'
import { hashProbes } from './probing/identity'
import { headNames, ProbeJournal } from './probing/journal'
import { type PlannedProbe, type ProbePlan, planProbes } from './probing/plan'
import { type ProbePlanReport, type ProbeReport, planReport, reportOf } from './probing/report'
import { type ConfiguredOptions, type LabelledProgress, RESUMABLE } from './run'
import { canonicalJson, recordWhole } from './training/identity'
import { pathsIn, pathsWithin } from './training/read_paths'

export type { ProbeFigures, ProbeFold, ProbeTest, ProbeTraining } from './probing/figures'
export type { ForetoldProbe, ProbePlanReport, ProbeReport } from './probing/report'

export interface ProbeOptions extends ConfiguredOptions<LabelledProgress> {
  /** Called where a run that is stopped has left probes to go on with. */
  onKept?: (() => void) | undefined
}

/**
 * Learns linear probes on the hidden states of a speech encoder, which stays as it is, and judges them, as a YAML file or an
 * object says. The folder appears whole or not at all. Same machine, build and config: the same bytes, also when it was
 * stopped and resumed. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA, ERR_EXISTS, ERR_OUT_OF_MEMORY, and what a
 * model throws.
 */
export async function probe(
  source: string | object,
  options: ProbeOptions = {},
): Promise<ProbeReport | ProbePlanReport> {
  checkOptions('probe', options, RESUMABLE)
  const { overwrite = false, dryRun = false, overrides = [], signal, onWarning } = options
  const { file, raw } = await readGiven(source, overrides)
  const config = checkConfig(probeSchema, raw, file)
  const inputs = [config.model, ...(await pathsWithin(config.out, pathsIn(config.probes)))]
  await runJob('checkOutput', { out: config.out, overwrite, inputs })
  const model = await openProbed(config)
  try {
    checkHeads(config)
    const plan = await planProbes(probingOf(config), model.frontEnd, { signal, onWarning })
    const foretold = planReport(config, plan, model.spec)
    if (dryRun) return foretold
    const work = { config, model, plan, foretold, options }
    return await withStagedFolder(config.out, { ...options, overwrite, inputs }, (staged) =>
      run(staged, work),
    )
  } finally {
    await model.frontEnd.dispose()
  }
}

interface Probed {
  folder: ModelFolder
  spec: SpeechSpec
  frontEnd: FrontEnd
}

/** The small files. */
async function openProbed({ model }: ProbeConfig): Promise<Probed> {
  const folder = await openModelFolder(model)
  const spec = modelSpec(folder.config, folder.configFile, { quantized: true })
  if (spec.kind !== 'speech')
    throw configError('config', `model: expected a speech encoder, received a ${spec.architecture}`, {
      hint: 'Probes look at what a model makes of sound: MelHuBERT, HuBERT, wav2vec2.',
      key: 'model',
    })
  const frontEnd = await FrontEnd.open(folder.path)
  frontEnd.requireWidth(spec.frame_width, folder.path)
  return { folder, spec, frontEnd }
}

/** The numbers of folds may make one name of two. */
function checkHeads({ folds, probes }: ProbeConfig): void {
  const owners = new Map<string, string>()
  for (const probe of probes) {
    const own = probe.train || probe.folds ? probe.folds : folds
    for (const head of headNames(probe.name, own?.length ?? 1)) {
      const other = owners.get(head)
      if (other !== undefined && other !== probe.name)
        throw configError(
          'config',
          `probes: expected files of its own for each, received ${other} and ${probe.name}, both with heads/${head}.safetensors`,
          {
            hint: 'Of a probe with folds, -1, -2 and so on are put behind the name: take another.',
            key: 'probes',
          },
        )
      owners.set(head, probe.name)
    }
  }
}

const probingOf = ({ train, folds, test, max_memory_gb, probes }: ProbeConfig) => ({
  ...{ train, folds, test, max_memory_gb, probes },
})

interface Work {
  config: ProbeConfig
  model: Probed
  plan: ProbePlan
  foretold: ProbePlanReport
  options: ProbeOptions
}

async function run(staged: string, work: Work): Promise<ProbeReport> {
  const { config, model, plan, foretold, options } = work
  const start = performance.now()
  const signal = options.signal ?? new AbortController().signal
  const { content, input } = await recordWhole('model', model.folder, signal)
  const data = await hashProbes(plan, { signal })
  const journal = await ProbeJournal.open(staged, identityOf({ model: content, data, seed: config.seed }))
  const left = plan.probes.filter(({ config: { name } }) => journal.done[name] === undefined)
  if (left.length > 0) await learn(left, journal, work, signal)
  const report = reportOf(foretold, {
    probes: plan.probes.map(({ config: { name } }) => journal.done[name]!),
    resumed: plan.probes.length - left.length,
    seconds_taken: (performance.now() - start) / 1000,
  })
  await save(
    staged,
    work,
    provenance('probe', [input, ...soundRecords(config)], { seed: config.seed, data_sha256: data }),
  )
  await writeJson(staged, 'report.json', report)
  return report
}

/** Of everything that the result follows from. */
const identityOf = (content: { model: object; data: string; seed: number }): string =>
  createHash('sha256')
    .update(canonicalJson({ version: VERSION, ...content }))
    .digest('hex')

/** Where sound comes from; what it holds, with its labels, is in data_sha256. */
function soundRecords({ train, folds, test, probes }: ProbeConfig): InputRecord[] {
  const all = [{ train, folds, test }, ...probes].flatMap((one) => [
    ...(one.train ?? []),
    ...(one.folds ?? []).flat(),
    ...(one.test ?? []),
  ])
  const paths = new Set(all.map(({ path }) => path))
  return [...paths].map((path) => ({ role: 'data', path, files: [] }))
}

/** All files but heads, predictions and report. */
async function save(staged: string, { config, plan }: Work, origin: object): Promise<void> {
  const classes = plan.probes.map((one) => [one.config.name, one.classes])
  await writeJson(staged, 'classes.json', Object.fromEntries(classes))
  await writeText(staged, 'resolved.yaml', toYaml(config))
  await writeJson(staged, 'provenance.json', origin)
}

/** Those that are left, one after the other; of each what comes is kept. */
async function learn(
  left: readonly PlannedProbe[],
  journal: ProbeJournal,
  { config: { threads, seed }, model: { folder, spec, frontEnd }, plan, options }: Work,
  signal: AbortSignal,
): Promise<void> {
  const { onProgress } = options
  const { handle } = await loadedEncoder(folder.path, spec, { threads, signal })
  let states: GatheredStates | undefined
  try {
    const sounds = new HeardFrames(frontEnd, signal)
    const wanted = { ...plan, probes: [...left] }
    states = await GatheredStates.of(wanted, { handle, spec }, { sounds, threads, signal, onProgress })
    for (const one of left) {
      const headPath = await journal.headPath(one)
      const fitted = await fitProbe(one, states, spec, { threads, seed, signal, onProgress, headPath })
      await journal.record(one, plan, fitted)
    }
  } finally {
    states?.dispose()
    native().dispose(handle)
  }
}
