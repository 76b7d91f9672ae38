/** The models of a graft, opened, and what the native side is told of them. */
import { DELTA_FILE, type DeltaFolder, openDelta } from '../../checkpoint/delta_folder'
import { type DecoderSpec, decoderSpec } from '../../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import { type InputRecord, recordInput, recordModel } from '../../checkpoint/provenance'
import { refuseFactored } from '../../checkpoint/spec_differences'
import type { GraftConfig } from '../../config/graft'
import { type Scale, type ScaledTensor, scalesOf } from '../../config/scales'
import { TongueforgeError } from '../../errors'
import { type GraftInputs, type GraftModel, runJob } from '../../native'
import { type Alignment, alignVocabularies } from '../../text/alignment/align'
import { graftRows } from './rows'

/** A model folder and what its config says. */
export interface Described {
  folder: ModelFolder
  spec: DecoderSpec
}

/** One of the models of a graft. */
export interface InputModel extends Described {
  role: string
}

/** Two models; of those that a delta is the difference of, the small files alone. */
export interface InputVector {
  base: InputModel
  chat: InputModel
  delta?: DeltaFolder
  scale: Scale
}

export interface GraftModels {
  target: InputModel
  vectors: InputVector[]
}

/** Opens all folders. Throws ERR_NOT_FOUND, ERR_MODEL_CONFIG, and ERR_ARCHITECTURE for models of other families. */
export async function openModels(config: Pick<GraftConfig, 'target' | 'vectors'>): Promise<GraftModels> {
  const target = await openInput('target', config.target)
  const many = config.vectors.length > 1
  const vectors: GraftModels['vectors'] = []
  for (const [i, { scale, ...from }] of config.vectors.entries()) {
    const vector = { ...(await openVector(from, many ? ` ${i + 1}` : '')), scale }
    for (const other of [vector.base, vector.chat]) checkSameFamily(target, other)
    vectors.push(vector)
  }
  return { target, vectors }
}

/** Opens base and chat model, or a delta. Throws ERR_NOT_FOUND, ERR_MODEL_CONFIG, ERR_DELTA. */
export async function openVector(
  { base, chat, delta }: { base?: string | undefined; chat?: string | undefined; delta?: string | undefined },
  number = '',
): Promise<Omit<InputVector, 'scale'>> {
  if (delta === undefined)
    return {
      base: await openInput(`base${number}`, base!),
      chat: await openInput(`chat${number}`, chat!),
    }
  const opened = await openDelta(delta)
  return {
    base: described(`base${number}`, opened.base),
    chat: described(`chat${number}`, opened.chat),
    delta: opened,
  }
}

/** All of them, the target first. */
export const allModels = ({ target, vectors }: GraftModels): InputModel[] => [
  target,
  ...vectors.flatMap(({ base, chat }) => [base, chat]),
]

/** A folder whose weights are read. */
export interface GraftInput {
  role: string
  path: string
  record(signal?: AbortSignal): Promise<InputRecord>
}

/** All of them, the target first. */
export const allInputs = ({ target, vectors }: GraftModels): GraftInput[] => [
  modelInput(target),
  ...vectors.flatMap(({ base, chat, delta }) =>
    delta ? [deltaInput(base.role.replace('base', 'delta'), delta)] : [modelInput(base), modelInput(chat)],
  ),
]

const modelInput = ({ role, folder }: InputModel): GraftInput => ({
  role,
  path: folder.path,
  record: (signal) => recordModel(role, folder, signal),
})

const deltaInput = (role: string, { path }: DeltaFolder): GraftInput => ({
  role,
  path,
  record: (signal) => recordInput(role, path, [DELTA_FILE], signal),
})

/** The vocabularies of all models, brought together by token. Throws ERR_VOCABULARY, ERR_TOKENIZER, ERR_TEMPLATE. */
export function alignModels({ target, vectors }: GraftModels): Promise<Alignment> {
  const embedding = ({ folder, spec }: InputModel) => ({ folder, rows: spec.vocab_size })
  return alignVocabularies(
    embedding(target),
    vectors.map(({ base, chat }) => ({ base: embedding(base), chat: embedding(chat) })),
  )
}

/** What the native side is told. Throws ERR_CONFIG for scales that fit no tensor. */
export async function nativeInputs(
  models: GraftModels,
  config: Pick<GraftConfig, 'residual' | 'sparsify'>,
  alignment: Alignment,
): Promise<GraftInputs> {
  const roles = rolesOf(models, config)
  const rows = graftRows(alignment, config.residual)
  const tensors = await scaledTensors(roles)
  const layers = roles.target.spec.layers.length
  return {
    target: graftModel(roles.target),
    vectors: roles.vectors.map(({ base, chat, delta, scale }, i) => ({
      ...(delta ? { delta: delta.file } : { base: graftModel(base), chat: graftModel(chat) }),
      scales: scalesOf(scale, tensors, layers, `vectors.${i}.scale`),
      ...rows.vectors[i],
    })),
    tensors: tensors.map(({ name }) => name),
    ...(rows.target_rows && { target_rows: rows.target_rows }),
    ...(config.sparsify && {
      sparsify: {
        kind: config.sparsify.method,
        density: config.sparsify.density,
        seed: config.sparsify.seed,
      },
    }),
  }
}

/** Whose weights stand where in target + scale * (chat - base). Throws ERR_CONFIG for what cannot be residual. */
export const rolesOf = (models: GraftModels, { residual }: Pick<GraftConfig, 'residual'>): GraftModels =>
  residual ? residualRoles(models) : models

/** chat + scale * (target - base): the same arithmetic with two of its models in each other's place. */
function residualRoles({ target, vectors }: GraftModels): GraftModels {
  const [only, ...others] = vectors
  if (others.length > 0) {
    throw new TongueforgeError(
      'ERR_CONFIG',
      `residual: expected one chat vector, received ${vectors.length}`,
      { hint: 'Leave residual out, or the other vectors.', details: { key: 'residual' } },
    )
  }
  if (only!.delta) {
    throw new TongueforgeError('ERR_CONFIG', 'residual: expected base and chat model, received a delta', {
      hint: 'Leave residual out: at scale 1 it gives the same.',
      details: { key: 'residual' },
    })
  }
  return { target: only!.chat, vectors: [{ ...only!, chat: target }] }
}

async function scaledTensors({ target }: GraftModels): Promise<ScaledTensor[]> {
  const { tensors } = await runJob('inspectWeights', { folder: target.folder.path, scan: false })
  // A tied target may get a head of its own.
  const names = [...new Set([...tensors.map(({ name }) => name), 'lm_head.weight'])]
  const kinds = await runJob('moduleKinds', { names })
  return names.map((name, i) => ({ name, module: kinds[i]! }))
}

const graftModel = ({ folder, spec }: InputModel): GraftModel => ({
  folder: folder.path,
  tied: spec.tie_word_embeddings,
})

export async function openInput(role: string, path: string): Promise<InputModel> {
  return described(role, await openModelFolder(path))
}

const described = (role: string, folder: ModelFolder): InputModel => ({
  role,
  folder,
  spec: decoderSpec(folder.config, folder.configFile),
})

/**
 * Throws ERR_ARCHITECTURE, also for factored models, or ERR_SHAPE_MISMATCH for models of another width: no vector fits
 * those.
 */
export function checkSameFamily(target: Described, other: Described): void {
  for (const { folder, spec } of [target, other]) refuseFactored({ name: folder.path, spec })
  checkSame('architecture', 'ERR_ARCHITECTURE', target, other)
  checkSame('hidden_size', 'ERR_SHAPE_MISMATCH', target, other)
}

function checkSame(
  key: 'architecture' | 'hidden_size',
  code: string,
  target: Described,
  other: Described,
): void {
  if (target.spec[key] === other.spec[key]) return
  const told = ({ spec, folder }: Described) => `${spec[key]} (${folder.path})`
  throw new TongueforgeError(
    code,
    `Expected models of one ${key}, received ${told(target)} and ${told(other)}`,
    { hint: 'A chat vector fits only models that descend from one base.', details: { key } },
  )
}
