/** Checkpoints of a run: published whole, verified before use, the newest kept. */
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '../../checkpoint/provenance'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { writeJson } from '../../checkpoint/write_folder'
import { TongueforgeError } from '../../errors'
import type { Trainer } from './trainer'

/** Says that a checkpoint is whole: written last, read first. */
interface Manifest {
  version: 1
  /** Updates done. */
  step: number
  /** Of the config as far as it decides the numbers: resuming under another one is refused. */
  config_sha256: string
  files: { name: string; bytes: number; sha256: string }[]
}

export interface Checkpoint {
  step: number
  path: string
}

const NAME = /^step-(\d{8})$/
const LEFT_OVER = /^\.(tmp|trash)-step-/

export class Checkpoints {
  private readonly folder: string

  constructor(
    runFolder: string,
    private readonly keep: number,
    private readonly configHash: string,
  ) {
    this.folder = join(runFolder, 'checkpoints')
  }

  async save(trainer: Trainer, step: number): Promise<Checkpoint> {
    const path = join(this.folder, `step-${String(step).padStart(8, '0')}`)
    await withStagedFolder(path, { overwrite: true }, async (staged) => {
      await trainer.saveState(staged)
      const files = []
      for (const name of (await readdir(staged)).sort()) {
        const file = join(staged, name)
        files.push({ name, bytes: (await stat(file)).size, sha256: await sha256(file) })
      }
      const manifest: Manifest = { version: 1, step, config_sha256: this.configHash, files }
      await writeJson(staged, 'manifest.json', manifest)
    })
    await this.#purge()
    return { step, path }
  }

  /**
   * The newest checkpoint that is whole; `onDamaged` hears of those passed over.
   * Throws ERR_CHECKPOINT if it was made under another config.
   */
  async newest(onDamaged: (path: string, reason: string) => void): Promise<Checkpoint | undefined> {
    await this.#sweep()
    for (const name of (await this.#names()).reverse()) {
      const path = join(this.folder, name)
      const manifest = await verify(path).catch((error: Error) => {
        onDamaged(path, error.message)
        return undefined
      })
      if (!manifest) continue
      if (manifest.config_sha256 !== this.configHash) throw otherConfig(path, 'a checkpoint')
      return { step: manifest.step, path }
    }
    return undefined
  }

  async #names(pattern = NAME): Promise<string[]> {
    return (await readdir(this.folder).catch(() => [])).filter((name) => pattern.test(name)).sort()
  }

  // What a run left that was ended by force while it saved or purged.
  async #sweep(): Promise<void> {
    for (const name of await this.#names(LEFT_OVER))
      await rm(join(this.folder, name), { recursive: true, force: true })
  }

  // Renamed before it is deleted: a checkpoint that is half deleted must not look like one.
  async #purge(): Promise<void> {
    for (const name of (await this.#names()).slice(0, -this.keep)) {
      const trash = join(this.folder, `.trash-${name}`)
      await rename(join(this.folder, name), trash)
      await rm(trash, { recursive: true, force: true })
    }
  }
}

async function verify(path: string): Promise<Manifest> {
  const manifest = JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8')) as Manifest
  for (const { name, bytes, sha256: expected } of manifest.files) {
    const file = join(path, name)
    const { size } = await stat(file)
    if (size !== bytes) throw new Error(`${name}: expected ${bytes} bytes, found ${size}`)
    if ((await sha256(file)) !== expected)
      throw new Error(`${name}: its content has changed since it was written`)
  }
  return manifest
}

/** The refusal to go on with what another config has made. */
export function otherConfig(path: string, what: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_CHECKPOINT',
    `${path}: expected ${what} of this config, found one of another`,
    {
      hint: 'Resume with the config in resolved.yaml of the run folder, or start again with --overwrite.',
      details: { path },
    },
  )
}
