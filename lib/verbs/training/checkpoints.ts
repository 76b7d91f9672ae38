/** Checkpoints of a run: published whole, verified before use, the newest and the best kept. */
import { join } from 'node:path'
import { sha256 } from '../../checkpoint/hashing'
import { namesIn } from '../../checkpoint/names_in'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { writeJson, writeText } from '../../checkpoint/write_folder'
import { TongueforgeError } from '../../errors'
import { readdir, stat } from '../../files'
import { discard } from '../../writes'
import {
  hashOf,
  isOtherVersion,
  MANIFEST,
  type Manifest,
  readManifest,
  readState,
  STATE,
  stateText,
  VERSION,
  verified,
} from './checkpoint_files'
import type { Environment } from './environment'
import { byLoss } from './selection'
import type { Evaluation, RunState } from './state'

/** A checkpoint of a training: after which update, and where. */
export interface Checkpoint {
  step: number
  path: string
}

export interface SavedRun extends Checkpoint {
  state: RunState
  environment: Environment
}

export interface CheckpointOptions {
  /** The newest ones that stay. */
  keep: number
  /** Those of lowest held-out loss that stay as well. */
  keepBest: number
  /** Where a run may go back to: to those saved every so many steps, and never further than target(step) says. */
  rollback?: { every: number; target: (step: number) => number } | undefined
  configHash: string
  environment: Environment
}

/** What a checkpoint is made of: who can write weights and moments into a folder. */
export interface StateWriter {
  saveState(folder: string): Promise<void>
}

const NAME = /^step-(\d{8})$/

export class Checkpoints {
  readonly folder: string

  constructor(
    runFolder: string,
    private readonly options: CheckpointOptions,
  ) {
    this.folder = join(runFolder, 'checkpoints')
  }

  async save(writer: StateWriter, state: RunState): Promise<Checkpoint> {
    const { step } = state
    const path = join(this.folder, folderName(step))
    await discard(path) // a damaged one, or it would have been resumed from
    await withStagedFolder(path, { overwrite: false }, async (staged) => {
      await writer.saveState(staged)
      await writeText(staged, STATE, stateText(state))
      const files = []
      for (const name of (await readdir(staged)).sort()) {
        const file = join(staged, name)
        files.push({ name, bytes: (await stat(file)).size, sha256: await sha256(file) })
      }
      const { configHash: config_sha256, environment } = this.options
      const measured = state.evaluations.at(-1)
      const manifest: Omit<Manifest, 'sha256'> = {
        version: VERSION,
        step,
        config_sha256,
        environment: { ...environment },
        ...(measured?.step === step && { eval_loss: measured.loss }),
        ...(measured?.step === step &&
          measured.targets_reached && { targets_reached: measured.targets_reached }),
        files,
      }
      await writeJson(staged, MANIFEST, { ...manifest, sha256: hashOf(manifest) })
    })
    await this.#purge()
    return { step, path }
  }

  /**
   * The newest checkpoint that is whole; `onDamaged` hears of those passed over.
   * Throws ERR_CHECKPOINT if it was made under another config or by another version of this program.
   */
  async newest(onDamaged: (message: string) => void): Promise<SavedRun | undefined> {
    return this.#firstWhole((await this.names()).reverse(), onDamaged)
  }

  /**
   * For a rollback: the newest one up to a step, or where there is none the oldest after it. One that was saved when a
   * signal came counts only where there is no other: a run that was stopped goes back where others do. Throws as
   * `newest` does.
   */
  async nearest(step: number, onDamaged: (message: string) => void): Promise<SavedRun | undefined> {
    const all = await this.names()
    const regular = this.#regular(all)
    const names = regular.length > 0 ? regular : all
    const before = names.filter((name) => stepOf(name) <= step)
    return this.#firstWhole([...before.reverse(), ...names.filter((name) => stepOf(name) > step)], onDamaged)
  }

  /** Deletes all checkpoints after a step, the newest first. */
  async discardAfter(step: number): Promise<void> {
    for (const name of (await this.names()).reverse())
      if (stepOf(name) > step) await discard(join(this.folder, name))
  }

  async #firstWhole(
    names: readonly string[],
    onDamaged: (message: string) => void,
  ): Promise<SavedRun | undefined> {
    for (const name of names) {
      const path = join(this.folder, name)
      const passOver = (error: TongueforgeError) => {
        if (isOtherVersion(error)) throw error
        onDamaged(`${path} is damaged and was passed over: ${error.message}`)
        return undefined
      }
      const step = stepOf(name)
      const manifest = await verified(path, step).catch(passOver)
      if (!manifest) continue
      if (manifest.config_sha256 !== this.options.configHash) throw otherConfig(path, 'a checkpoint')
      const state = await readState(path, step).catch(passOver)
      if (state) return { step, path, state, environment: manifest.environment as unknown as Environment }
    }
    return undefined
  }

  /** Whether there is one of a step, whole or not. */
  async has(step: number): Promise<boolean> {
    return (await this.names()).includes(folderName(step))
  }

  /** Folders of published checkpoints, oldest first. */
  async names(): Promise<string[]> {
    return (await namesIn(this.folder)).filter((name) => NAME.test(name)).sort()
  }

  /** The checkpoint of a step if it is there and whole. */
  async at(step: number, onDamaged: (message: string) => void): Promise<Checkpoint | undefined> {
    const path = join(this.folder, folderName(step))
    const manifest = await verified(path, step).catch((error: Error) => {
      onDamaged(`${path} is damaged and cannot be used: ${error.message}`)
      return undefined
    })
    return manifest && { step, path }
  }

  async #purge(): Promise<void> {
    const names = await this.names()
    const stay = new Set([
      ...this.#reachable(names),
      ...names.slice(-1),
      ...this.#regular(names).slice(-this.options.keep),
      ...(await this.#best(names)),
    ])
    for (const name of names) {
      if (!stay.has(name)) await discard(join(this.folder, name))
    }
  }

  // Of what stays, nothing may depend on when a signal came: a rollback would go elsewhere.
  #reachable(names: readonly string[]): string[] {
    const { rollback } = this.options
    const regular = this.#regular(names)
    const newest = regular.at(-1)
    if (!rollback || newest === undefined) return []
    const oldest = rollback.target(stepOf(newest))
    return regular.filter((name) => stepOf(name) >= oldest)
  }

  #regular(names: readonly string[]): readonly string[] {
    const { rollback } = this.options
    return rollback ? names.filter((name) => stepOf(name) % rollback.every === 0) : names
  }

  // The best of all, and of all up to each place that a rollback may go back to: it takes the later ones away.
  async #best(names: readonly string[]): Promise<string[]> {
    const { keepBest } = this.options
    if (keepBest === 0) return []
    const { losses, unread } = await this.#losses(names)
    const ends = [...this.#reachable(names).map(stepOf), Number.POSITIVE_INFINITY]
    const best = ends.flatMap((end) => byLoss(losses.filter(({ step }) => step <= end)).slice(0, keepBest))
    return [...unread, ...best.map(({ step }) => folderName(step))]
  }

  async #losses(names: readonly string[]) {
    const losses: Evaluation[] = []
    const unread: string[] = []
    for (const name of names) {
      // A damaged one is told when a run resumes; here it is just not the best. What a disk refuses for now may be.
      const manifest = await readManifest(join(this.folder, name)).catch((error: TongueforgeError) => {
        if (error.code === 'ERR_IO') unread.push(name)
        return undefined
      })
      if (typeof manifest?.eval_loss !== 'number') continue
      const { eval_loss: loss, targets_reached = 0 } = manifest
      losses.push({ step: stepOf(name), loss, targets_reached })
    }
    return { losses, unread }
  }
}

const folderName = (step: number) => `step-${String(step).padStart(8, '0')}`
const stepOf = (name: string) => Number(NAME.exec(name)![1])

/** The refusal to go on with what another config, or other data, have made. */
export function otherConfig(path: string, what: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_CHECKPOINT',
    `${path}: expected ${what} of this config and these inputs, found one of others`,
    {
      hint: 'Resume with the config in resolved.yaml of the run folder and the same model, tokenizer and data, or start again with --overwrite.',
      details: { path },
    },
  )
}
