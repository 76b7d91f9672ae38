/** The folder of a run: claimed at the start, its record kept while training, its result published at the end. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { writeModelCard } from '../../checkpoint/model_card'
import type { ModelFolder } from '../../checkpoint/model_folder'
import { provenance, recordInput } from '../../checkpoint/provenance'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { carryOver, writeJson } from '../../checkpoint/write_folder'
import { toYaml } from '../../config/parse'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { native, runJob } from '../../native'
import { otherConfig } from './checkpoints'
import type { TrainPlan } from './plan'
import type { Trainer } from './trainer'

/** One line of metrics.jsonl. */
export interface Metrics {
  step: number
  loss: number
  grad_norm: number
  lr: number
  tokens: number
  tokens_per_second: number
  eval_loss?: number
}

/** Hash of what decides the numbers: where they go, how often they are saved and on how many threads does not. */
export function configHash(config: TrainConfig): string {
  const { out: _out, checkpoint: _checkpoint, threads: _threads, eval: _eval, ...decisive } = config
  return createHash('sha256').update(JSON.stringify(decisive)).digest('hex')
}

/** What may be done with a run that is already there. */
export interface Claim {
  resume: boolean
  overwrite: boolean
}

export class RunFolder {
  readonly path: string
  readonly model: string
  private readonly metricsFile: string

  constructor(private readonly config: TrainConfig) {
    this.path = resolve(config.out)
    this.model = join(this.path, 'model')
    this.metricsFile = join(this.path, 'metrics.jsonl')
  }

  /** The report of an earlier run that has come to its end. Throws ERR_CHECKPOINT if its config was another. */
  async result(): Promise<object | undefined> {
    const report = await readJsonObjectIfPresent(join(this.model, 'report.json'), { code: 'ERR_DATA' })
    if (report === undefined || report.config_sha256 === configHash(this.config)) return report
    throw otherConfig(this.path, 'a finished run')
  }

  /**
   * Whether an earlier run has to go. Throws ERR_EXISTS unless told what to do with what is there, ERR_USAGE if
   * something to be read lies in it.
   */
  async check({ resume, overwrite }: Claim): Promise<boolean> {
    const isRun = existsSync(join(this.path, 'resolved.yaml'))
    // Empty: a run that was killed as it began.
    if (!existsSync(this.path) || (await isEmptyFolder(this.path)) || (resume && isRun)) return false
    if (!overwrite) throw this.#taken(isRun)
    if (!isRun) throw notARun(this.path)
    await this.#checkInputsApart()
    return true
  }

  /** Makes the folder, or clears away an earlier run. Throws as `check` does. */
  async claim(claim: Claim): Promise<void> {
    if (await this.check(claim)) {
      const trash = join(dirname(this.path), `.trash-${basename(this.path)}-${process.pid}`)
      await rename(this.path, trash)
      await rm(trash, { recursive: true, force: true })
    }
    await mkdir(this.path, { recursive: true })
  }

  /** Marks the folder as a run of this config; to be called once nothing speaks against going on with it. */
  writeConfig(): Promise<void> {
    return writeFile(join(this.path, 'resolved.yaml'), toYaml(this.config))
  }

  /** The metrics up to a step; what an interrupted run wrote after its last checkpoint is dropped. */
  async keepMetrics(step: number): Promise<Metrics[]> {
    const text = await readFile(this.metricsFile, 'utf8').catch(() => '')
    const kept = text
      .split('\n')
      .slice(0, -1)
      .map((line, i) => parseMetrics(line, `${this.metricsFile}:${i + 1}`))
      .filter((metrics) => metrics.step <= step)
    // By a rename: a run that is killed here loses none of them.
    const rewritten = `${this.metricsFile}.new`
    await writeFile(rewritten, kept.map((metrics) => `${JSON.stringify(metrics)}\n`).join(''))
    await rename(rewritten, this.metricsFile)
    return kept
  }

  record(metrics: Metrics): Promise<void> {
    return appendFile(this.metricsFile, `${JSON.stringify(metrics)}\n`)
  }

  /** Publishes model/ with everything that belongs into it, then the report beside it. */
  async finish(plan: TrainPlan, trainer: Trainer, report: object): Promise<void> {
    const config = { verb: 'train', ...this.config }
    const inputs = await recordInputs(plan)
    await withStagedFolder(this.model, { overwrite: true }, async (staged) => {
      await trainer.saveWeights(staged)
      await carryOver(plan.files, staged, new Set(['config.json', 'README.md']))
      await writeJson(staged, 'config.json', plan.modelConfig)
      await writeFile(join(staged, 'resolved.yaml'), toYaml(config))
      await writeJson(staged, 'provenance.json', provenance('train', inputs, numerics(this.config)))
      await writeJson(staged, 'report.json', report)
      await writeModelCard(staged, {
        title: basename(this.path),
        summary: `Trained with the objective ${this.config.objective} for ${this.config.steps} updates.`,
        origins: plan.model ? { model: plan.model } : {},
        config,
      })
    })
    await this.writeReport(report)
  }

  /** Puts the report where people look for it; `model/` holds its own. */
  writeReport(report: object): Promise<void> {
    return writeJson(this.path, 'report.json', report)
  }

  async #checkInputsApart(): Promise<void> {
    const { model, tokenizer, data, eval: evaluation } = this.config
    const inputs = [model, tokenizer, ...[...data, ...(evaluation?.data ?? [])].map(({ path }) => path)]
    const place = (await realpath(this.path)) + sep
    for (const input of inputs) {
      if (input === undefined) continue
      const real = (await realpath(input).catch(() => resolve(input))) + sep
      if (real.startsWith(place)) throw inputInside(this.path, input)
    }
  }

  #taken(isRun: boolean): TongueforgeError {
    return new TongueforgeError('ERR_EXISTS', `${this.path}: expected a new run folder, and it exists`, {
      hint: isRun ? 'Use --resume to go on with it, or --overwrite to start again.' : 'Choose another out.',
      details: { path: this.path },
    })
  }
}

function parseMetrics(line: string, place: string): Metrics {
  try {
    return JSON.parse(line) as Metrics
  } catch (cause) {
    throw new TongueforgeError(
      'ERR_DATA',
      `${place}: expected a line of metrics, received text that is not JSON`,
      {
        hint: 'Delete that line to go on, or start again with --overwrite.',
        details: { place },
        cause,
      },
    )
  }
}

const isEmptyFolder = (path: string) =>
  readdir(path).then(
    (names) => names.length === 0,
    () => false,
  )

// A run that starts from its own result would delete it first.
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
      hint: 'Only a folder with resolved.yaml, as training writes it, is overwritten. Choose another out.',
      details: { path },
    },
  )
}

async function recordInputs({ model, config }: TrainPlan) {
  const inputs = []
  if (model) {
    const { files } = await runJob('inspectWeights', { folder: model.path, scan: false })
    inputs.push(
      await recordInput('model', model.path, [...files.map(({ name }) => name), ...configsOf(model)]),
    )
  }
  for (const { path } of config.data) inputs.push(await recordInput('data', resolve(path), []))
  return inputs
}

function numerics({ dtype }: TrainConfig) {
  const { torch_version, cpu_capability } = native().runtimeInfo()
  return { dtype, libtorch: torch_version, cpu_capability }
}

const configsOf = (model: ModelFolder) =>
  model.auxiliaryFiles.filter((name) => name === 'config.json' || name === 'tokenizer.json')
