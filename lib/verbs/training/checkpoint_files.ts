/**
 * The files of a checkpoint, judged before anything is made of them: the manifest vouches for all others, and itself. A
 * run folder may come from someone else, so what they say has types and ranges, and names no file but those beside them.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { sha256 } from '../../checkpoint/hashing'
import { ioError, type JsonObject, readJsonObject } from '../../checkpoint/json_file'
import { jsonText } from '../../checkpoint/write_folder'
import { TongueforgeError } from '../../errors'
import { stat } from '../../files'
import { byLoss } from './selection'
import { type Evaluation, newState, type RunState } from './state'

export const STATE = 'state.json'
export const MANIFEST = 'manifest.json'
/** Of the manifest that is written. Version 2 had no hash of its own. */
export const VERSION = 3

/** A file has a line here. */
const MAX_MANIFEST_BYTES = 1 << 20
/** An evaluation takes some 500 bytes where there are five sources, and 60 without what is told of them. */
const MAX_STATE_BYTES = 64 << 20

const count = z.int().min(0)
const figure = z.number()

/** Says that a checkpoint is whole: written last, read first. */
const manifestSchema = z.looseObject({
  version: z.int(),
  /** Updates done. */
  step: count,
  /** Of what decides the numbers: resuming under another config or with other data is refused. */
  config_sha256: z.string(),
  /** What the bits also depend on. */
  environment: z.record(z.string(), z.union([z.string(), z.number()])),
  /** Held-out loss of these weights, where it was measured: the best ones stay. */
  eval_loss: figure.nullish(),
  /** Targets of a pruning that these weights have reached. */
  targets_reached: count.optional(),
  files: z
    .array(
      z.looseObject({
        name: z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'expected the name of a file beside it'),
        bytes: count,
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256'),
      }),
    )
    .max(1000),
  /** Of the keys before it: the manifest vouches for all files, and this for it. */
  sha256: z.string().optional(),
})

export type Manifest = z.infer<typeof manifestSchema>

/** Where JSON has no number for it. */
const anyFigure = z.union([figure, z.string()])

/** Of RunState; what it lacks is as in a run that has just begun. */
const stateSchema = z.looseObject({
  version: z.literal(1),
  step: count,
  sessions: z.array(
    z.looseObject({
      first_step: count,
      steps: count,
      tokens: figure.min(0),
      seconds: figure.min(0),
      tokens_per_second: figure.nullable(), // of no seconds
    }),
  ),
  evaluations: z.array(
    z.looseObject({
      step: count,
      loss: figure.nullable(), // of weights that are no numbers any more
      losses: z.record(z.string(), figure.nullable()).optional(),
      figures: z.record(z.string(), figure.nullable()).optional(),
      stop_rate: figure.optional(),
      targets_reached: count.optional(),
    }),
  ),
  skipped_batches: count.optional(),
  anomalies: z
    .array(
      z.looseObject({
        kind: z.enum(['non_finite', 'spike']),
        action: z.enum(['skip', 'rollback']),
        step: count,
        batch: count,
        loss: anyFigure,
        grad_norm: anyFigure,
        loss_limit: figure.nullish(), // null: infinite, of earlier versions
        grad_norm_limit: figure.nullish(),
        back_to: count.optional(),
      }),
    )
    .optional(),
  recent: z
    .looseObject({ losses: z.array(figure.nullable()), grad_norms: z.array(figure.nullable()) })
    .optional(),
  pruning: z
    .looseObject({
      next: figure,
      done: z.array(z.looseObject({ step: count, target: figure, zeros: count })),
      postponed: z.array(z.looseObject({ step: count, target: figure, kept: figure, average: figure })),
      gate: z.looseObject({
        first: z.array(figure),
        average: figure.optional(),
        kept: figure.optional(),
      }),
    })
    .optional(),
})

/** The SHA-256 that a manifest has of its other keys. */
export const hashOf = (keys: object): string =>
  createHash('sha256').update(JSON.stringify(keys)).digest('hex')

/** The manifest of the checkpoint in a folder. Throws ERR_CHECKPOINT, ERR_NOT_FOUND, ERR_IO. */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, MANIFEST)
  const content = await readJsonObject(file, { code: 'ERR_CHECKPOINT', maxBytes: MAX_MANIFEST_BYTES })
  const { sha256: own, ...rest } = content
  const { version } = content
  if (typeof version === 'number' && (own === undefined ? version >= VERSION : own !== hashOf(rest)))
    throw changed(file)
  if (typeof version === 'number' && version !== 2 && version !== VERSION) throw otherVersion(folder, version)
  return checked(manifestSchema, content, file)
}

/**
 * The manifest of the checkpoint after `step` updates, once all that it names was found to be as it was written. Throws
 * ERR_CHECKPOINT, ERR_NOT_FOUND, ERR_IO.
 */
export async function verified(folder: string, step: number): Promise<Manifest> {
  const manifest = await readManifest(folder)
  if (manifest.step !== step)
    throw refusal(
      join(folder, MANIFEST),
      `step: expected ${step}, as its folder is named, received ${manifest.step}`,
    )
  const names = manifest.files.map(({ name }) => name)
  if (new Set(names).size < names.length || !names.includes(STATE))
    throw refusal(join(folder, MANIFEST), `files: expected ${STATE} and each other file once`)
  for (const { name, bytes, sha256: expected } of manifest.files) {
    const file = join(folder, name)
    const { size } = await stat(file).catch((error) => {
      throw ioError(file, error)
    })
    if (size !== bytes) throw refusal(file, `expected ${bytes} bytes, found ${size}`)
    if ((await sha256(file)) !== expected) throw changed(file)
  }
  return manifest
}

/**
 * What is written of a state: always short enough to be read again. Of more evaluations than that, the older ones lose
 * what choosing among them does not need, and metrics.jsonl tells anyway; the first and the best keep it.
 */
export function stateText(state: RunState, maxBytes = MAX_STATE_BYTES): string {
  const fits = (text: string) => Buffer.byteLength(text) <= maxBytes
  const { evaluations } = state
  const whole = new Set([evaluations[0], byLoss(evaluations)[0]])
  let text = jsonText(state)
  for (let kept = evaluations.length >> 1; !fits(text) && kept > 0; kept >>= 1) {
    const shortened = evaluations.map((one, i) =>
      i >= evaluations.length - kept || whole.has(one) ? one : bare(one),
    )
    text = jsonText({ ...state, evaluations: shortened })
  }
  return text
}

const bare = ({ losses: _, figures: _told, ...one }: Evaluation): Evaluation => one

/** state.json of the checkpoint in a folder, which stands after `step` updates. Throws ERR_CHECKPOINT, ERR_NOT_FOUND, ERR_IO. */
export async function readState(folder: string, step: number): Promise<RunState> {
  const file = join(folder, STATE)
  const content = await readJsonObject(file, { code: 'ERR_CHECKPOINT', maxBytes: MAX_STATE_BYTES })
  const state = checked(stateSchema, content, file)
  if (state.step !== step)
    throw refusal(file, `step: expected ${step}, as in the manifest, received ${state.step}`)
  // One that was saved before there were anomalies knows of none.
  return { ...newState(), ...(state as unknown as RunState) }
}

function checked<Schema extends z.ZodType>(
  schema: Schema,
  content: JsonObject,
  file: string,
): z.infer<Schema> {
  const { success, data, error } = schema.safeParse(content)
  if (success) return data
  const [issue] = error.issues
  throw refusal(file, `${issue!.path.join('.') || 'content'}: ${issue!.message.slice(0, 200)}`)
}

const changed = (file: string) => refusal(file, 'its content has changed since it was written')

const refusal = (file: string, problem: string) =>
  new TongueforgeError('ERR_CHECKPOINT', `${file}: ${problem}`, {
    hint: 'An earlier checkpoint of the run is taken where there is one; remove the folder of this one.',
    details: { file },
  })

const otherVersion = (path: string, version: number) =>
  new TongueforgeError(
    'ERR_CHECKPOINT',
    `${path}: expected a checkpoint of version ${VERSION}, found version ${version}`,
    {
      hint: 'Finish the run with the version of tongueforge that began it, or start again with --overwrite.',
      details: { path, version },
    },
  )

/** Whether it was thrown for a checkpoint that is whole, but not for this program. */
export const isOtherVersion = ({ details }: TongueforgeError): boolean => details?.version !== undefined
