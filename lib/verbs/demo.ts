/**
 * The papers in miniature, end to end on a world that is generated here: base -> chat; base -> CP on B; chat -> plain
 * CP on B; chat -> InsCP on B; CP + chat vector at several scales; then the questions.
 */
import { cp, mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { type Claim, type ClaimRow, readClaims } from '../world/claims'
import { writeDatasets } from '../world/datasets'
import {
  DATASET_SIZES,
  type DemoPlaces,
  type RunName,
  SCALES,
  tokenizerFolder,
  trainConfig,
} from '../world/recipe'
import { writeTasks } from '../world/tasks'
import { writeTokenizer } from '../world/tokenizer'
import { World } from '../world/world'
import { type Measured, measureModel, readQuestions, type Sample } from './demo/measure'
import { writeReport } from './demo/report'
import { graft } from './graft'
import { type TrainReport, type TrainResult, train } from './train'

export interface DemoOptions {
  /** Default: demo-out. */
  out?: string | undefined
  /** Another world, other weights. Default 0. */
  seed?: number | undefined
  /** Train again what an earlier demo has left there. */
  overwrite?: boolean | undefined
  signal?: AbortSignal | undefined
  onProgress?:
    | ((progress: { label: string; done?: number; total?: number; note?: string }) => void)
    | undefined
}

export interface DemoRow extends ClaimRow {
  model: string
}

export interface DemoResult {
  out: string
  report: string
  seed: number
  /** Of all training runs together, those of an earlier demo included. */
  training_seconds: number
  parameters: number
  claims: Claim[]
  table: DemoRow[]
}

/** Runs the demo; models lie in OUT/NAME, their runs in OUT/runs, the page is OUT/report.html. */
export async function demo(options: DemoOptions = {}): Promise<DemoResult> {
  return new Demo(options).run()
}

class Demo {
  private readonly out: string
  private readonly places: DemoPlaces
  private readonly seed: number
  private parameters = 0
  private trainingSeconds = 0

  constructor(private readonly options: DemoOptions) {
    this.out = resolve(options.out ?? 'demo-out')
    this.places = { world: join(this.out, 'world'), runs: join(this.out, 'runs') }
    this.seed = options.seed ?? 0
  }

  async run(): Promise<DemoResult> {
    await this.makeWorld()
    await this.trainAll()
    const models = ['base', 'chat', 'org_cp', 'ins_cp', 'cp', ...(await this.graftAll())]
    const measured = await this.measureAll(models)
    const rows = Object.fromEntries(models.map((model) => [model, measured[model]!.row]))
    const result: DemoResult = {
      out: this.out,
      report: join(this.out, 'report.html'),
      seed: this.seed,
      training_seconds: this.trainingSeconds,
      parameters: this.parameters,
      claims: readClaims(rows),
      table: models.map((model) => ({ model, ...rows[model]! })),
    }
    const samples = Object.fromEntries(
      models.map((model): [string, Sample[]] => [model, measured[model]!.samples]),
    )
    await writeReport(this.out, result, samples)
    return result
  }

  private say(label: string, done?: number, total?: number, note?: string): void {
    this.options.onProgress?.({
      label,
      ...(done !== undefined && { done }),
      ...(total !== undefined && { total }),
      ...(note !== undefined && { note }),
    })
  }

  private async makeWorld(): Promise<void> {
    this.say('making a world of two languages')
    await mkdir(this.out, { recursive: true })
    const world = new World(this.seed)
    await writeDatasets(world, this.places.world, DATASET_SIZES)
    await writeTasks(world, join(this.places.world, 'tasks'))
    await writeTokenizer(tokenizerFolder(this.places, 'base'), { endOfTurn: false })
    await writeTokenizer(tokenizerFolder(this.places, 'chat'), { endOfTurn: true })
  }

  // What does not wait for another run goes beside it: each run has one thread.
  private async trainAll(): Promise<void> {
    await this.trainSome('base')
    await this.trainSome('chat', 'cp')
    await this.trainSome('org_cp', 'ins_cp')
  }

  private async trainSome(...names: RunName[]): Promise<void> {
    const stop = new AbortController() // the failure of one ends the others
    const signal = this.options.signal ? AbortSignal.any([this.options.signal, stop.signal]) : stop.signal
    const done = new Map(names.map((name) => [name, 0]))
    const runs = names.map(async (name) => {
      const { overwrite = false } = this.options
      const config = { ...trainConfig(name, this.places, this.seed), threads: 1 }
      const run = train(config, { resume: !overwrite, overwrite, signal })
      for await (const { step, steps, loss } of run) {
        done.set(name, step / steps)
        const share = [...done.values()].reduce((sum, part) => sum + part, 0) / names.length
        this.say(`training ${names.join(' and ')}`, Math.round(100 * share), 100, `loss ${loss.toFixed(3)}`)
      }
      await this.take(name, await run.result)
    })
    try {
      await Promise.all(runs)
    } catch (error) {
      stop.abort(error)
      await Promise.allSettled(runs)
      throw error
    }
  }

  // A copy, so that OUT/NAME is a plain model folder and the run stays whole.
  private async take(name: RunName, { model, report }: TrainResult): Promise<void> {
    const { plan, seconds } = report as TrainReport
    this.parameters = plan.parameters
    this.trainingSeconds += seconds
    await withStagedFolder(join(this.out, name), { overwrite: true }, (staged) =>
      cp(model, staged, { recursive: true }),
    )
  }

  private async graftAll(): Promise<string[]> {
    const names: string[] = []
    for (const scale of SCALES) {
      const name = `cp_vector_${scale}`
      this.say('adding the chat vector', names.length, SCALES.length, `scale ${scale}`)
      const [target, base, chat, out] = ['cp', 'base', 'chat', name].map((folder) => join(this.out, folder))
      const inputs = { target: target!, base: base!, chat: chat!, out: out! }
      await graft({ ...inputs, scale, overwrite: true }, { signal: this.options.signal })
      names.push(name)
    }
    return names
  }

  private async measureAll(models: readonly string[]): Promise<Record<string, Measured>> {
    const questions = await readQuestions(this.places.world)
    const measured: Record<string, Measured> = {}
    for (const [i, model] of models.entries()) {
      this.say('asking questions', i, models.length, model)
      measured[model] = await measureModel(join(this.out, model), questions, this.options.signal)
    }
    this.say('asking questions', models.length, models.length)
    return measured
  }
}
