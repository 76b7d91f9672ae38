/** When the heads of a model left in a run of `compress` that began with it, and what they were worth then. */
import { join } from 'node:path'
import { readJsonObject } from '../../checkpoint/json_file'
import type { ModelFolder } from '../../checkpoint/model_folder'
import { type FileRecord, readProvenance, recordModel } from '../../checkpoint/provenance'
import { TongueforgeError } from '../../errors'
import type { StageRecord } from '../compressing/records'
import { type RemovedHead, removedHeads } from '../compressing/removed_heads'

export interface PrunedRun {
  path: string
  removed: RemovedHead[]
  /** By layer and head, of the first stage that asked all heads what they are worth. */
  scores?: { stage: string; criterion: string; of: number[][] }
}

/** Throws ERR_NOT_FOUND, ERR_DATA for a run that began with another model, or that no head left. */
export async function readPrunedRun(
  path: string,
  model: ModelFolder,
  signal?: AbortSignal,
): Promise<PrunedRun> {
  const file = join(path, 'report.json')
  const { stages } = await readJsonObject(file, { code: 'ERR_DATA', maxBytes: 64 << 20 })
  if (!areStages(stages)) throw unusable(file, 'expected the report of a run of compress', UNFINISHED)
  await checkOrigin(path, model, signal)
  const removed = removedHeads(stages)
  if (removed.length === 0)
    throw unusable(file, 'expected heads that have left, found none', 'Give a run with a stage heads.')
  const scores = scoresIn(stages)
  return { path, removed, ...(scores && { scores }) }
}

const UNFINISHED = 'Give the run folder of a compression that has come to its end.'

function areStages(stages: unknown): stages is StageRecord[] {
  return Array.isArray(stages) && stages.every((stage) => Array.isArray(stage?.layers))
}

/** Two models of one shape have other heads: their weights tell. */
async function checkOrigin(path: string, model: ModelFolder, signal?: AbortSignal): Promise<void> {
  const { inputs } = await readProvenance(join(path, 'model'))
  const began = inputs.find(({ role }) => role === 'model')
  const here = await recordModel('model', model, signal)
  if (began && hashes(began.files) === hashes(here.files)) return
  throw unusable(
    path,
    `expected a run that began with ${model.path}, received one that began with ${began?.path}`,
    'Give the model that the run was given; its weights are compared.',
  )
}

const hashes = (files: readonly FileRecord[]) =>
  files
    .filter(({ name }) => name.endsWith('.safetensors'))
    .map(({ sha256 }) => sha256)
    .sort()
    .join()

interface HeadsFigures {
  criterion?: string
  layers: { scores?: number[] }[]
}

/** Those of a later stage are of what was left by then. */
function scoresIn(stages: readonly StageRecord[]): PrunedRun['scores'] {
  const first = stages.find(({ method }) => method === 'heads' || method === 'layers')
  if (first?.method !== 'heads') return undefined
  const { criterion, layers } = first.figures as unknown as HeadsFigures
  if (criterion === undefined) return undefined
  return { stage: first.stage, criterion, of: layers.map(({ scores }) => scores!) }
}

function unusable(file: string, problem: string, hint: string): TongueforgeError {
  return new TongueforgeError('ERR_DATA', `${file}: ${problem}`, { hint, details: { file } })
}
