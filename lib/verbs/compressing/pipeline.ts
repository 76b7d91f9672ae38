/** The stages in turn: those that are finished are found, the others are done; each leaves a model and a record. */
import type { JsonObject } from '../../checkpoint/json_file'
import type { CompressConfig } from '../../config/compress'
import type { PackedBatch } from '../../native'
import type { TrainStep } from '../train'
import type { ModelReader } from '../training/model_reader'
import { calibrationRows, type HeldOut } from './calibration'
import type { CompressFolder } from './compress_folder'
import { foundFigures, recountedMacs } from './figures'
import type { Identity } from './identity'
import { type Means, ModelAtHand } from './model_at_hand'
import { runNative } from './native_stage'
import { type PlannedStage, stagesOf } from './plan'
import type { StageRecord } from './records'
import { shapeOf } from './shapes'
import type { Shape, StageProgress } from './stage'
import { trains } from './stages'
import { runTraining, trainingOf } from './training'

/** What a session works with, and who listens. */
export interface Session {
  config: CompressConfig
  file: string
  folder: CompressFolder
  identity: Identity
  means: Means
  /** The model that all stages begin with: folder and sizes. */
  original: ModelAtHand
  /** Where there is something to read. */
  reader: ModelReader | undefined
  heldOut: HeldOut | undefined
  /** Number of the last stage that looks at calibration rows; 0: none does. */
  lastCalibrated: number
  /** Hash of the texts of heldOut. */
  evaluation: string | undefined
  /** What config.json says of the dtype of the results. */
  dtypeKeys: JsonObject
  signal: AbortSignal
  emit: (event: CompressEvent) => void
  warn: (message: string) => void
  onProgress: ((progress: Required<StageProgress>) => void) | undefined
  /** Called where a run that is stopped has left something to go on with. */
  onKept: () => void
}

/** What a run tells while it works: a stage that is finished, or an update of a training. */
export type CompressEvent =
  | ({ event: 'stage' } & StageRecord)
  | ({ event: 'step'; stage: string } & TrainStep)

/** What a stage has left; number 0: the model that all begin with. */
interface Left {
  name: string
  hash: string
  shape: Shape
}

export interface Outcome {
  /** What the last stage has left, to be released. */
  model: ModelAtHand
  hash: string
  /** Stages that earlier sessions had finished. */
  found: number
}

/** Throws what a stage throws; what is finished stays. */
export async function runStages(session: Session): Promise<Outcome> {
  const { config, file, folder } = session
  const lefts = await findFinished(session, await begin(session))
  const found = lefts.length - 1
  await folder.book.keep(found)
  // An end by force may have come between a stage and what is deleted once it is recorded.
  await folder.end(lefts.at(-1)!.name)
  if (config.keep === 'last') for (const { name } of lefts.slice(1, -1)) await folder.forget(name)
  const others = folder.book.dropOtherLosses(session.evaluation)
  if (others > 0)
    session.warn(`the losses of ${others} finished stages were measured on other texts: they are left out`)
  // Texts that cannot be read are met before a training of hours, not after it.
  const rows = found < session.lastCalibrated ? await calibration(session) : []
  let model = await openLeft(session, lefts)
  try {
    for (const planned of stagesOf(config, file, (number) => lefts[number]!.shape)) {
      if (planned.number <= found) continue
      const before = lefts.at(-1)!
      const hash = await session.identity.of(planned, before.hash)
      model = await runStage(session, planned, { model, hash, rows })
      lefts.push({
        name: planned.name,
        hash,
        shape: shapeOf(model.spec, folder.book.last, folder.book.all[0]!),
      })
      if (config.keep === 'last' && planned.number > 1) await folder.forget(before.name)
    }
    return { model, hash: lefts.at(-1)!.hash, found }
  } catch (error) {
    model.release()
    if (lefts.length > 1) session.onKept()
    throw error
  }
}

/** The model that all stages begin with; measured by the first session. Throws ERR_CHECKPOINT for a run of another. */
async function begin(session: Session): Promise<Left> {
  const { config, folder, identity, original } = session
  const hash = await identity.start()
  await folder.book.open(hash)
  const first = folder.book.all[0]
  const specOf = (record: StageRecord) => shapeOf(original.spec, record, first!).spec
  folder.book.recount((record) => recountedMacs(record.macs, specOf(record), config))
  await folder.writeConfig()
  if (folder.book.all.length === 0) {
    const facts = { step: 0, stage: '00-start', method: 'start', seconds: 0 }
    await keep(session, { ...(await measured(session, original, facts)), inputs_sha256: hash })
  }
  const [start] = folder.book.all
  return { name: '', hash, shape: shapeOf(original.spec, start!, start!) }
}

/** What stages have left that are as they were, from the start to the newest whose model is there. */
async function findFinished(session: Session, start: Left): Promise<Left[]> {
  const { config, file, folder, identity, original } = session
  const lefts = [start]
  for (const planned of stagesOf(config, file, (number) => lefts[number]!.shape)) {
    const hash = await identity.of(planned, lefts.at(-1)!.hash)
    const record = folder.book.find(planned.number, hash)
    if (record === undefined) break
    lefts.push({ name: planned.name, hash, shape: shapeOf(original.spec, record, folder.book.all[0]!) })
  }
  while (lefts.length > 1 && !(await folder.modelOf(lefts.at(-1)!))) lefts.pop()
  return lefts
}

async function openLeft({ folder, means, original }: Session, lefts: readonly Left[]): Promise<ModelAtHand> {
  if (lefts.length === 1) return original
  original.release() // it was only measured
  return ModelAtHand.open((await folder.modelOf(lefts.at(-1)!))!, means)
}

/** What a stage begins with: the model before it, the hash of all that decides what comes out, rows to look at. */
interface Start {
  model: ModelAtHand
  hash: string
  rows: PackedBatch[]
}

async function runStage(session: Session, planned: PlannedStage, start: Start): Promise<ModelAtHand> {
  const { number, name, key, step, config, stage } = planned
  const run = trains(stage) ? train : compute
  const { model, figures, seconds } = await run(session, planned, start)
  const facts = { step: number, stage: name, method: config.method, key, ...(step && { part: step }) }
  try {
    const record = await measured(session, model, { ...facts, figures, seconds })
    await keep(session, { ...record, inputs_sha256: start.hash })
    await session.folder.end(name) // not before: until it is recorded a training is gone on with, be it at its end
    return model
  } catch (error) {
    model.release()
    if (trains(stage)) session.onKept() // a training that is at its end is not done again
    throw error
  }
}

interface Done {
  model: ModelAtHand
  figures: JsonObject
  seconds: number
}

async function compute(session: Session, planned: PlannedStage, start: Start): Promise<Done> {
  const { config, folder, means, dtypeKeys, signal, warn, onProgress } = session
  const begun = performance.now()
  const { model, figures } = await runNative(planned, start.model, folder.place(planned.name), {
    ...{ threads: means.threads, seed: config.seed + planned.number, dtypeKeys, signal, warn },
    calibration: start.rows,
    onProgress: onProgress && ((progress) => onProgress({ label: planned.name, ...progress })),
  })
  return { model, figures, seconds: (performance.now() - begun) / 1000 }
}

function calibration({ config, reader, signal, warn }: Session): Promise<PackedBatch[]> {
  return calibrationRows(config, reader!, { signal, onWarning: warn })
}

async function train(session: Session, planned: PlannedStage, { model, hash }: Start): Promise<Done> {
  const { config, folder, means, original, signal, emit, warn, onProgress, onKept } = session
  const { name } = planned
  model.release() // training loads its own
  await folder.begin(name, hash)
  const places = { model: model.folder.path, original: original.folder.path }
  const trained = await runTraining(trainingOf(planned, config, places), {
    ...{ signal, onKept, onWarning: warn },
    onStep: (update) => emit({ event: 'step', stage: name, ...update }),
    onProgress: onProgress && ((work) => onProgress({ ...work, label: `${name}: ${work.label}` })),
  })
  return { ...trained, model: await ModelAtHand.open(trained.folder, means) }
}

/** What a model is now: sizes counted in its files, loss on held-out texts. */
async function measured<Facts extends object>(session: Session, model: ModelAtHand, facts: Facts) {
  const { heldOut, evaluation, signal, warn, onProgress } = session
  const figures = await foundFigures(model, session.config, signal)
  if (heldOut === undefined) return { ...facts, ...figures }
  const loss = await heldOut.measure(await model.loaded({ signal, warn }), { signal, onProgress })
  return { ...facts, ...figures, ...loss, evaluation_sha256: evaluation! }
}

async function keep({ folder, emit }: Session, record: StageRecord): Promise<void> {
  await folder.book.add(record)
  emit({ event: 'stage', ...record })
}
