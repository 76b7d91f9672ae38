/** The stages of an adaptation in their order. Arms that begin alike share them. */
import type { AdaptConfig, Keys } from '../../config/adapt'
import type { TrainedObjective } from '../../config/adapt/arms'
import type { FileSource } from '../../config/data'
import { configError } from '../../config/parse'
import { type Arm, DATA, merged, type ReadConfig } from './config'
import { common, type ModelRef, type PlannedStage } from './stage'

export const START = 'start'
export const COMPRESSED = 'compressed'
export const evaluationOf = (name: string) => `${name}-evaluate`

/** An arm, and the stage that leaves its model. */
export interface PlannedArm extends Arm {
  result: string
}

export interface AdaptStages {
  stages: PlannedStage[]
  arms: PlannedArm[]
}

/** `tasks`: names and files, those made of held_out too. Throws ERR_CONFIG. */
export function planStages(read: ReadConfig, tasks: readonly string[]): AdaptStages {
  const { config, arms } = read
  const plan = new StagePlan(read, tasks)
  plan.evaluate(START, 'chat', { folder: config.chat })
  const planned = arms.map((arm) => plan.arm(arm))
  return { stages: plan.stages, arms: planned }
}

/** Every stage that there can be; the model that will be picked is like the chat model. */
export function planAll(read: ReadConfig, tasks: readonly string[]): PlannedStage[] {
  const { stages } = planStages(read, tasks)
  if (read.config.compress === undefined) return stages
  return [...stages, ...planCompression(read, { folder: read.config.chat }, tasks)]
}

/** The picked model made smaller, and measured again. */
export function planCompression(read: ReadConfig, model: ModelRef, tasks: readonly string[]): PlannedStage[] {
  const plan = new StagePlan(read, tasks)
  plan.evaluate(COMPRESSED, 'compress', plan.compressed(model))
  return plan.stages
}

class StagePlan {
  readonly stages: PlannedStage[] = []

  private readonly config: AdaptConfig

  constructor(
    private readonly read: ReadConfig,
    private readonly tasks: readonly string[],
  ) {
    this.config = read.config
  }

  /** Trainings, a vector, and what it is worth. */
  arm(arm: Arm): PlannedArm {
    let [name, model] = [arm.from as string, this.#start(arm.from)]
    let [own, manners] = [false, arm.from === 'chat']
    for (const objective of arm.trainings) {
      own ||= arm.objectives[objective] !== undefined
      const isFirstTalk = !manners && objective !== 'cp'
      if (isFirstTalk && this.read.needsTags) model = this.#tagged(`${name}-tags`, arm, model)
      const borrowed = isFirstTalk && !this.read.needsTags ? { tokenizer: this.#start('chat') } : {}
      manners ||= isFirstTalk
      name = `${name}-${objective}${own ? `.${arm.name}` : ''}`
      model = this.#add({
        ...{ name, verb: 'train', place: arm.place, models: { model, ...borrowed } },
        keys: this.#training(objective, arm),
      })
    }
    if (arm.vector) {
      name = `${arm.name}-vector`
      model = this.#vector(name, arm, { target: model, base: this.#start('base'), chat: this.#start('chat') })
    }
    this.evaluate(arm.name, arm.place, model)
    return { ...arm, result: name }
  }

  evaluate(name: string, place: string, model: ModelRef): void {
    const { device, threads, dtype } = this.config
    const { tasks: _, ...keys } = this.config.evaluate
    this.#add({
      ...{ name: evaluationOf(name), verb: 'evaluate', place, models: { [name]: model } },
      keys: { device, threads, ...keys, dtype: keys.dtype ?? dtype, tasks: this.tasks },
    })
  }

  compressed(model: ModelRef): ModelRef {
    const { config } = this
    const { recovery, calibration, ...keys } = config.compress!
    const reads = { data: config.corpus }
    return this.#add({
      ...{ name: 'compress', verb: 'compress', place: 'compress', models: { model } },
      keys: {
        ...{ dtype: config.dtype, seed: config.seed, ...common(config), ...keys },
        recovery: { ...reads, ...(recovery as Keys) },
        calibration: { ...reads, ...(calibration as Keys) },
      },
    })
  }

  /** What an arm starts from: as given, or with more tokens. */
  #start(role: 'chat' | 'base'): ModelRef {
    const { vocabulary, corpus, threads, [role]: folder } = this.config
    if (vocabulary === undefined) return { folder: folder! }
    return this.#add({
      ...{
        name: `${role}-vocabulary`,
        verb: 'vocabulary',
        place: 'vocabulary',
        models: { model: { folder: folder! } },
      },
      keys: { data: corpus.map(withoutWeight), ...vocabulary, threads },
    })
  }

  // A vector of no length: template and tags of the chat model, with their rows, and nothing else of it.
  #tagged(name: string, { place }: Arm, target: ModelRef): ModelRef {
    const models = { target, base: this.#start('base'), chat: this.#start('chat') }
    return this.#add({ name, verb: 'graft', place, models, keys: { scale: 0, threads: this.config.threads } })
  }

  #training(objective: TrainedObjective, arm: Arm): Keys {
    const { config, file } = this.read
    const { tokens, ...given } = [
      { place: 'training', keys: config.training },
      { place: `objectives.${objective}`, keys: config.objectives[objective] ?? {} },
      { place: `${arm.place}: objectives.${objective}`, keys: arm.objectives[objective] ?? {} },
    ].reduce<Keys>((under, { place, keys }) => over(under, keys, `${file}: ${place}`), {})
    const keys = typeof tokens === 'number' ? { ...given, steps: stepsOf(tokens, given) } : given
    const { device, dtype, seed } = config
    return {
      ...{ objective, data: config[DATA[objective]], device, dtype, seed, ...common(config) },
      ...(DATA[objective] === 'corpus' && this.#heldOut(keys)),
      ...keys,
    }
  }

  // Looked at ten times on the way, where nothing else is said.
  #heldOut({ eval: said, steps = 300 }: Keys): Keys {
    const data = Object.values(this.config.held_out).flat()
    if (data.length === 0 || said !== undefined) return {}
    return { eval: { every: Math.max(1, Math.ceil(Number(steps) / 10)), data } }
  }

  #vector(name: string, arm: Arm, models: Record<'target' | 'base' | 'chat', ModelRef>): ModelRef {
    const { threads, dtype, seed } = this.config
    const { vector, place } = arm
    if ('scale' in vector!)
      return this.#add({ name, verb: 'graft', place, models, keys: { scale: vector.scale, threads } })
    const keys = { ...vector!.search, dtype, seed, ...common(this.config) }
    return this.#add({ name, verb: 'sweep', place, models, keys })
  }

  /** Adds it, unless an earlier arm has. */
  #add(stage: PlannedStage): ModelRef {
    if (!this.stages.some(({ name }) => name === stage.name)) this.stages.push(stage)
    return { stage: stage.name }
  }
}

const withoutWeight = ({ weight: _, ...source }: FileSource & { weight?: number }): FileSource => source

/** Keys over keys; of steps and tokens what stands above takes the place of both below. */
function over(under: Keys, above: Keys, place: string): Keys {
  const budgets = ['steps', 'tokens'].filter((key) => above[key] !== undefined)
  if (budgets.length > 1)
    throw configError(place, 'expected steps or tokens, received both', {
      hint: 'tokens: N is as many updates as read so many tokens of rows. Leave one of them out.',
      key: 'tokens',
    })
  const { steps: _, tokens: __, ...rest } = under
  return merged(budgets.length > 0 ? rest : under, above)
}

/** As many updates as read so many tokens, at least one. */
function stepsOf(tokens: number, { batch_size, accumulation, sequence_length }: Keys): number {
  const [rows, micro, length] = [batch_size ?? 8, accumulation ?? 1, sequence_length ?? 256] as number[]
  return Math.max(1, Math.round(tokens / (rows! * micro! * length!)))
}
