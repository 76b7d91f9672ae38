/**
 * The papers in miniature: a chat model is made in a world that is generated here, then `adapt` teaches it the other
 * language in the ways of the papers (world/adaptation.ts), and what came out is held against what they claim.
 */
import { join, resolve } from 'node:path'
import { openModelFolder } from '../checkpoint/model_folder'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { writeJson } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS, numberOption } from '../config/call_options'
import { adaptConfig } from '../world/adaptation'
import { type Claim, readClaims } from '../world/claims'
import { writeDatasets } from '../world/datasets'
import { DATASET_SIZES, type DemoPlaces, tokenizerFolder, trainConfig } from '../world/recipe'
import { writeTasks } from '../world/tasks'
import { writeTokenizer } from '../world/tokenizer'
import { World } from '../world/world'
import { cp, mkdir } from '../writes'
import { type AdaptReport, adapt } from './adapt'
import { type DemoRow, tableOf } from './demo/table'
import { report } from './report'
import { train } from './train'

export type { DemoRow } from './demo/table'

export interface DemoProgress {
  label: string
  done?: number | undefined
  total?: number | undefined
  note?: string
}

export interface DemoOptions {
  /** Default: demo-out. */
  out?: string | undefined
  /** Another world, other weights. Default 0. */
  seed?: number | undefined
  /** Train again what an earlier demo has left there. */
  overwrite?: boolean | undefined
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: DemoProgress) => void) | undefined
}

const OPTIONS: Kinds<DemoOptions> = { ...LISTENERS, out: 'text', seed: 'any', overwrite: 'flag' }

/** What the demo has made, and whether its claims hold. */
export interface DemoResult {
  /** The folder of the demo. */
  out: string
  /** Path of report.html. */
  report: string
  /** The run folder of the adaptation. */
  adapted: string
  /** Of its world and weights. */
  seed: number
  /** Of all training runs together, those of an earlier demo included. */
  training_seconds: number
  parameters: number
  /** What papers say, and whether it holds here. */
  claims: Claim[]
  /** A model each, with its figures. */
  table: DemoRow[]
}

/** Runs the demo; models lie in OUT/NAME, the adaptation in OUT/adapted, the page is OUT/report.html. */
export async function demo(options: DemoOptions = {}): Promise<DemoResult> {
  checkOptions('demo', options, OPTIONS)
  options.signal?.throwIfAborted()
  return new Demo(options).run()
}

class Demo {
  private readonly out: string
  private readonly places: DemoPlaces & { models: string; out: string }
  private readonly seed: number
  private readonly how: { resume: boolean; overwrite: boolean }
  private parameters = 0
  private trainingSeconds = 0

  constructor(private readonly options: DemoOptions) {
    const { out = 'demo-out', seed = 0, overwrite = false } = options
    numberOption('demo: seed', seed, { least: 0, most: 2 ** 30, whole: true })
    this.out = resolve(out)
    const [world, runs, adapted] = ['world', 'runs', 'adapted'].map((name) => join(this.out, name))
    this.places = { world: world!, runs: runs!, models: this.out, out: adapted! }
    this.seed = seed
    this.how = { resume: !overwrite, overwrite }
  }

  async run(): Promise<DemoResult> {
    const tasks = await this.makeWorld()
    await this.train('base')
    await this.train('chat')
    const table = tableOf((await this.adapt(tasks)).results)
    const result: DemoResult = {
      ...{ out: this.out, report: join(this.out, 'report.html'), adapted: this.places.out, seed: this.seed },
      ...{ training_seconds: this.trainingSeconds, parameters: this.parameters },
      claims: readClaims(Object.fromEntries(table.map((row) => [row.model, row]))),
      table,
    }
    await writeJson(this.out, 'report.json', result)
    await this.writePage(result)
    return result
  }

  /** The task files. */
  private async makeWorld(): Promise<string[]> {
    this.options.onProgress?.({ label: 'making a world of two languages' })
    await mkdir(this.out, { recursive: true })
    const world = new World(this.seed)
    await writeDatasets(world, this.places.world, DATASET_SIZES)
    await writeTokenizer(tokenizerFolder(this.places, 'base'), { endOfTurn: false })
    await writeTokenizer(tokenizerFolder(this.places, 'chat'), { endOfTurn: true })
    return writeTasks(world, join(this.places.world, 'tasks'))
  }

  private async train(name: 'base' | 'chat'): Promise<void> {
    const { signal, onProgress } = this.options
    const config = { ...trainConfig(name, this.places, this.seed), threads: 2 }
    const run = train(config, { ...this.how, signal })
    for await (const { step: done, steps: total, loss } of run)
      onProgress?.({ label: `training ${name}`, done, total, note: `loss ${loss.toFixed(3)}` })
    const { model, report } = await run.result
    const { plan, seconds } = report
    this.parameters = plan.parameters
    this.trainingSeconds += seconds
    await this.take(name, model)
  }

  private async adapt(tasks: readonly string[]): Promise<AdaptReport> {
    const { signal, onProgress } = this.options
    const run = adapt(adaptConfig(this.places, tasks, this.seed), { ...this.how, signal, onProgress })
    for await (const told of run)
      if (told.event === 'step')
        onProgress?.({
          label: told.stage,
          done: told.step,
          total: told.steps,
          note: `loss ${told.loss.toFixed(3)}`,
        })
    const adapted = await run.result
    const trainings = adapted.stages.filter(({ verb }) => verb === 'train')
    this.trainingSeconds += trainings.reduce((sum, { seconds }) => sum + seconds, 0)
    for (const { name, result } of adapted.arms)
      await this.take(name, join(this.places.out, 'stages', result))
    return adapted
  }

  // A copy, so that OUT/NAME is a plain model folder and the run stays whole.
  private async take(name: string, run: string): Promise<void> {
    const { path } = await openModelFolder(run)
    await withStagedFolder(join(this.out, name), { overwrite: true }, (staged) =>
      cp(path, staged, { recursive: true }),
    )
  }

  private async writePage({ report: out, adapted }: DemoResult): Promise<void> {
    const title = 'Two papers in miniature: InsCP and chat vectors'
    await report([this.out, adapted], { out, title, overwrite: true, signal: this.options.signal })
  }
}
