/** The config of an adaptation, read and checked in itself; what its stages would refuse is met in plan.ts. */
import { type AdaptConfig, adaptSchema, type Keys } from '../../config/adapt'
import { ARMS, type ArmConfig, type ArmRow, type TrainedObjective } from '../../config/adapt/arms'
import { checkConfig, configError, readGiven, suggestion } from '../../config/parse'
import { vocabulariesDiffer } from './tags'

/** An arm with everything decided. */
export interface Arm {
  name: string
  /** Where the config has it: `arms.1, cp_vector`. */
  place: string
  about: string
  from: 'chat' | 'base'
  trainings: readonly TrainedObjective[]
  /** Of a chat vector, where one is added: as graft takes it, or keys of a sweep that finds it. */
  vector: { scale: NonNullable<ArmConfig['scale']> } | { search: Keys } | undefined
  /** Keys of train of this arm alone. */
  objectives: Readonly<Record<string, Keys>>
}

export interface GivenConfig {
  config: AdaptConfig
  arms: Arm[]
  /** What errors call it. */
  file: string
}

/** A config, with what has to be known of its models before stages are planned. */
export interface ReadConfig extends GivenConfig {
  /** The base model needs tokens of the chat model before it reads conversations. */
  needsTags: boolean
}

/** A YAML file or an object, then overrides; models are not looked at. Throws ERR_CONFIG that names arm and key, ERR_NOT_FOUND, ERR_USAGE. */
export async function readAdaptConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<GivenConfig> {
  const { file, raw } = await readGiven(source, overrides)
  const checked = checkConfig(adaptSchema, raw, file)
  const given = raw as Keys
  const config: AdaptConfig = {
    ...checked,
    training: keysAt(given, 'training'),
    objectives: keysAt(given, 'objectives') as AdaptConfig['objectives'],
    compress: given.compress === undefined ? undefined : keysAt(given, 'compress'),
    arms: checked.arms.map((arm, i) => ({
      ...arm,
      objectives: keysAt((given.arms as Keys[])[i]!, 'objectives') as AdaptConfig['objectives'],
    })),
  }
  const arms = config.arms.map((arm, i) => armOf(arm, i, config, file))
  checkNames(arms, config, file)
  checkMeasured(config, file)
  return { config, arms, file }
}

/** Throws ERR_NOT_FOUND, ERR_TOKENIZER. */
export async function withModels(given: GivenConfig): Promise<ReadConfig> {
  return { ...given, needsTags: await needsTags(given) }
}

async function needsTags({ config: { chat, base }, arms }: GivenConfig): Promise<boolean> {
  const talks = ({ from, trainings }: Arm) => from === 'base' && trainings.some((one) => one !== 'cp')
  return base !== undefined && arms.some(talks) && vocabulariesDiffer(chat, base)
}

const keysAt = (table: Keys, key: string) => (table[key] ?? {}) as Keys

function armOf(given: AdaptConfig['arms'][number], number: number, config: AdaptConfig, file: string): Arm {
  const row: ArmRow = ARMS[given.arm]
  const name = given.name ?? given.arm
  const place = `arms.${number}, ${name}`
  const fail = failure(file, `arms.${number}`, place)
  const { scale = row.scale, search } = given
  if (row.scale === undefined) {
    const key = given.scale !== undefined ? 'scale' : search && 'search'
    if (key)
      throw fail(`${key}: expected none of an arm without a chat vector, received one`, 'Leave it out.')
  } else if (given.scale !== undefined && search)
    throw fail('expected scale or search, received both', 'A search finds the scale: leave one of them out.')
  const vector = scale === undefined ? undefined : search ? { search } : { scale }
  const from = given.from ?? (row.from === 'base' && !config.base && !vector ? 'chat' : row.from)
  if (!config.base && (vector || from === 'base')) throw fail('expected base, received nothing', BASE_HINT)
  for (const objective of row.trainings) {
    const data = DATA[objective]
    if (config[data] === undefined)
      throw fail(
        `expected ${data}, received nothing`,
        `${data}: [{ path: FILE }] names what ${objective} reads.`,
      )
  }
  checkOverrides(given.objectives, row, fail)
  return {
    name,
    place,
    about: row.about + scaleText(vector),
    from,
    trainings: row.trainings,
    vector,
    objectives: given.objectives,
  }
}

function scaleText(vector: Arm['vector']): string {
  if (vector === undefined) return ''
  return 'scale' in vector ? `, scale ${JSON.stringify(vector.scale)}` : ', its scale searched for'
}

/** What each objective is trained on. */
export const DATA = {
  cp: 'corpus',
  inscp: 'corpus',
  sft: 'instructions',
  dpo: 'preferences',
} as const satisfies Record<TrainedObjective, string>

const BASE_HINT =
  'base: FOLDER names the model that chat was tuned from. Without it, leave out arms with a vector and from: base.'

const failure = (file: string, key: string, place: string) => (message: string, hint: string) =>
  configError(file, `${place}: ${message}`, { hint, key })

function checkOverrides(given: Arm['objectives'], row: ArmRow, fail: ReturnType<typeof failure>): void {
  const unused = Object.keys(given).find(
    (objective) => !row.trainings.includes(objective as TrainedObjective),
  )
  if (unused === undefined) return
  throw fail(`objectives.${unused}: expected a training of this arm`, `It has ${row.trainings.join(', ')}.`)
}

/** Names of stages are made of these. */
const TAKEN = ['start', 'chat', 'base', 'compress', 'compressed']

function checkNames(arms: readonly Arm[], { only, skip }: AdaptConfig, file: string): void {
  const names = arms.map(({ name }) => name)
  const folders = names.map((name) => name.toLowerCase()) // some file systems know no capitals
  for (const [i, name] of names.entries()) {
    const key = `arms.${i}.name`
    const hint = 'Give it a name: { arm: ARM, name: NAME }.'
    if (TAKEN.includes(folders[i]!))
      throw configError(file, `${key}: expected a name that is free, received ${name}`, { hint, key })
    const other = names[folders.indexOf(folders[i]!)]!
    if (other === name && names.indexOf(name) < i)
      throw configError(file, `${key}: expected a name of its own, received ${name} twice`, { hint, key })
    if (other !== name)
      throw configError(file, `${key}: expected a name of its own, received ${name} beside ${other}`, {
        ...{ hint: 'Stages are folders, and some file systems do not tell capitals apart.', key },
      })
  }
  for (const [key, list] of Object.entries({ only, skip })) {
    const known = [...names, 'compress']
    const unknown = list.find((name) => !known.includes(name))
    if (unknown === undefined) continue
    const hint = suggestion(unknown, known)
    throw configError(file, `${key}: expected names of arms, or compress, received ${unknown}`, { hint, key })
  }
  const both = only.find((name) => skip.includes(name))
  if (both !== undefined)
    throw configError(file, `skip: expected arms that only does not name, received ${both} in both`, {
      ...{ hint: `${both} is worked on, or left for later: take it out of one of them.`, key: 'skip' },
    })
}

function checkMeasured({ evaluate, held_out, arms, pick }: AdaptConfig, file: string): void {
  if (evaluate.tasks.length === 0 && Object.keys(held_out).length === 0)
    throw configError(file, 'evaluate.tasks: expected a task, or texts under held_out; received neither', {
      hint: 'held_out: { german: [{ path: FILE }] } measures the perplexity of a text.',
      key: 'evaluate.tasks',
    })
  if (arms.length > 1 && pick === undefined)
    throw configError(
      file,
      `pick: expected the rule by which one of ${arms.length} arms wins, received none`,
      {
        hint: 'pick: { by: TASK/METRIC } takes the arm that is best in one measure.',
        key: 'pick',
      },
    )
}

/** Tables key by key; whatever else the second one has takes the place of what the first has. */
export function merged(under: Keys, over: Keys): Keys {
  const result: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over))
    result[key] = isTable(value) && isTable(result[key]) ? merged(result[key], value) : value
  return result
}

const isTable = (value: unknown): value is Keys =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
