/** The folder of a run, of training or another verb: claimed at the start, kept from others, cleared to start again. */
import { channel } from 'node:diagnostics_channel'
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { namesIn } from '../../checkpoint/names_in'
import { jsonText, makeFolder } from '../../checkpoint/write_folder'
import { readYaml, toYaml } from '../../config/parse'
import { Team } from '../../distributed/team'
import { TongueforgeError } from '../../errors'
import { readdir, realpath } from '../../files'
import { mkdir, rename, replaceFile, rm, rmdir } from '../../writes'
import { pathsWithin } from './read_paths'
import { LOCK_FILE, lockRun, type RunLock } from './run_lock'

/** What may be done with a run that is already there. */
export interface Claim {
  resume: boolean
  overwrite: boolean
}

/** The config as it ran: what makes a folder a run folder. */
export const CONFIG_FILE = 'resolved.yaml'
/** Where the process of a run tells of it, if it has one of its own; of the session that is running, or was the last. */
export const EVENTS_FILE = 'events.jsonl'
/** Hears of each folder that this process comes to hold, by its path. */
export const HELD_CHANNEL = 'tongueforge:run-folder-held'
/** What a run that was ended by force was making or deleting. */
const LEFT_OVER = /^\.(tmp|trash)-/
const TRASH = '.trash-run'

export class ClaimedFolder<Config extends { out: string } = { out: string }> {
  readonly path: string
  #claim: Claim = { resume: false, overwrite: false }

  constructor(
    protected readonly config: Config,
    /** Files and folders that the run reads. */
    private readonly inputs: readonly (string | undefined)[],
  ) {
    this.path = resolve(config.out)
  }

  /**
   * Whether an earlier run has to go, as things are now; `hold` asks again. Throws ERR_EXISTS unless told what to do with
   * what is there, or where what is to be gone on with is of another verb; ERR_USAGE if something to be read lies in it, or
   * it in a model folder that is read.
   */
  async check(claim: Claim): Promise<boolean> {
    const { resume, overwrite } = claim
    this.#claim = claim
    await this.#checkOutsideModels()
    const isRun = existsSync(join(this.path, CONFIG_FILE))
    if (!existsSync(this.path) || (await hasNothing(this.path))) return false
    if (resume && isRun) return this.#checkVerb()
    if (!overwrite) throw this.#taken(isRun)
    if (!isRun) throw notARun(this.path)
    await this.checkApart(this.inputs)
    return true
  }

  /**
   * Does the work of a run in the folder, which is made unless it is there: others are kept out of it until the work has
   * ended; it is told whether an earlier run has to go. What an end by force left is swept away, and `onStale` hears of it.
   * Of the processes of a team the first holds the folder for all. Throws ERR_BUSY where another process is in it, and
   * what `check` throws, by what another has left meanwhile.
   */
  async hold<Result>(
    onStale: (message: string) => void,
    work: (replaces: boolean) => Promise<Result>,
    team: Pick<Team, 'lead'> = Team.alone,
  ): Promise<Result> {
    let lock: RunLock | undefined
    try {
      const replaces = await team.lead(async () => {
        await makeFolder(this.path)
        lock = await lockRun(this.path, onStale)
        return this.#open(onStale)
      })
      return await work(replaces)
    } finally {
      await lock?.release()
      if (lock) await rmdir(this.path).catch(() => {}) // goes if nothing came of the run
    }
  }

  async #open(onStale: (message: string) => void): Promise<boolean> {
    await this.#sweep(onStale)
    const replaces = await this.check(this.#claim)
    await rm(join(this.path, EVENTS_FILE), { force: true })
    channel(HELD_CHANNEL).publish(this.path)
    return replaces
  }

  async #sweep(onStale: (message: string) => void): Promise<void> {
    if (await this.#putBack()) onStale(`${this.path} was to be overwritten, and was not: its files are back`)
    for (const folder of ['', 'checkpoints', 'stages'].map((name) => join(this.path, name))) {
      for (const name of await namesIn(folder)) {
        if (!LEFT_OVER.test(name)) continue
        await rm(join(folder, name), { recursive: true, force: true })
        onStale(`${join(folder, name)} was left unfinished and is removed`)
      }
    }
  }

  /**
   * Deletes the run that is in the folder, which is held. What marks it as one goes last: until then all can be put back,
   * here where a file cannot be moved, and by the next to hold the folder after a kill.
   */
  async clear(): Promise<void> {
    const trash = join(this.path, TRASH)
    await mkdir(trash)
    const stay = [LOCK_FILE, EVENTS_FILE, TRASH, CONFIG_FILE]
    const names = (await namesIn(this.path)).filter((name) => !stay.includes(name))
    try {
      for (const name of [...names, CONFIG_FILE]) await rename(join(this.path, name), join(trash, name))
    } catch (error) {
      await this.#putBack().catch(() => {}) // left to the next
      throw error
    }
    await rm(trash, { recursive: true, force: true })
  }

  /** Of a run that was not cleared away to its end: what had gone already. Resolves with whether there was any. */
  async #putBack(): Promise<boolean> {
    const trash = join(this.path, TRASH)
    if (!existsSync(trash) || !existsSync(join(this.path, CONFIG_FILE))) return false
    for (const name of await namesIn(trash)) await rename(join(trash, name), join(this.path, name))
    await rmdir(trash)
    return true
  }

  /** Marks the folder as a run of this config; to be called once nothing speaks against going on with it. */
  writeConfig(): Promise<void> {
    return this.write(CONFIG_FILE, toYaml(this.config))
  }

  /** Puts the report where people look for it; `model/` holds its own. */
  writeReport(report: object): Promise<void> {
    return this.write('report.json', jsonText(report))
  }

  /** A file of the run, in the folder itself: there whole, or as it was. Throws ERR_NO_SPACE or ERR_IO. */
  write(name: string, text: string): Promise<void> {
    return replaceFile(join(this.path, name), text, join(this.path, `.tmp-${name}`))
  }

  // Going on drops what a run of this verb does not know: the points of a sweep, say.
  async #checkVerb(): Promise<false> {
    const [verb, found] = [verbOf(this.config), verbOf(await readYaml(join(this.path, CONFIG_FILE)))]
    if (verb === found) return false
    throw new TongueforgeError(
      'ERR_EXISTS',
      `${this.path}: expected a run of ${verb} to resume, found a folder that ${found} has written`,
      { hint: 'Choose another out.', details: { path: this.path } },
    )
  }

  /** Throws ERR_USAGE where one of them lies in the folder, which is there. */
  protected async checkApart(inputs: readonly (string | undefined)[]): Promise<void> {
    const named = inputs.filter((input) => input !== undefined)
    const [inside] = await pathsWithin(this.path, named)
    if (inside !== undefined) throw inputInside(this.path, inside)
  }

  // A model folder is copied and hashed whole: a run must not grow in it.
  async #checkOutsideModels(): Promise<void> {
    const place = await realPlace(this.path)
    for (const input of this.inputs) {
      if (input === undefined) continue
      for (const folder of [input, join(input, 'model')]) {
        if (!existsSync(join(folder, 'config.json'))) continue
        if (place.startsWith((await realpath(folder)) + sep)) throw insideModel(this.path, folder)
      }
    }
  }

  #taken(isRun: boolean): TongueforgeError {
    return new TongueforgeError('ERR_EXISTS', `${this.path}: expected a new run folder, and it exists`, {
      hint: isRun ? 'Use --resume to go on with it, or --overwrite to start again.' : 'Choose another out.',
      details: { path: this.path },
    })
  }
}

/** What writes such a config: `verb` says it, where it is not plain. */
function verbOf(config: unknown): string {
  const { verb, objectives } = Object(config) as { verb?: unknown; objectives?: unknown }
  return typeof verb === 'string' ? verb : objectives === undefined ? 'train' : 'sweep'
}

// Empty, but for what a run leaves that was killed as it began or as it was cleared away.
const hasNothing = (path: string) =>
  readdir(path).then(
    (names) => names.every((name) => [LOCK_FILE, EVENTS_FILE].includes(name) || LEFT_OVER.test(name)),
    () => false,
  )

/** Where a folder lies that need not be there. */
async function realPlace(path: string): Promise<string> {
  const parent = dirname(path)
  return realpath(path).catch(async () =>
    parent === path ? path : join(await realPlace(parent), basename(path)),
  )
}

function insideModel(path: string, model: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_USAGE',
    `${path}: expected a run folder outside of model folders, received one in ${model}`,
    { hint: 'Choose another out.', details: { path, input: model } },
  )
}

// A run that starts from its own result would delete or replace it.
function inputInside(path: string, input: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_USAGE',
    `${path}: expected a run folder apart from what is read, received the input ${input} in it`,
    { hint: 'Choose another out.', details: { path, input } },
  )
}

// A slip such as `out=~ --overwrite` must not delete a home.
function notARun(path: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_EXISTS',
    `${path}: expected a run folder to overwrite, found another folder`,
    {
      hint: 'Only a folder with resolved.yaml, as a run writes it, is overwritten. Choose another out.',
      details: { path },
    },
  )
}
