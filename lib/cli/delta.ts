import { DELTA_FORMATS, type DeltaFormat } from '../config/delta'
import { parseYaml } from '../config/parse'
import type { Scale } from '../config/scales'
import { showGraft } from './graft'
import { resumable } from './interruption'
import { library } from './library'
import { listening } from './listening'
import { integer, JSON_OPTION, number, oneOf, pick, usageError } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb, type Io } from './verb'

interface Values {
  base?: string
  chat?: string
  target?: string
  delta?: string
  out?: string
  format?: DeltaFormat
  density?: number
  rank?: number
  energy?: number
  factorDtype?: 'float32' | 'bfloat16'
  group?: number
  scale?: Scale
  force?: boolean
  threads?: number
  dryRun?: boolean
  resume?: boolean
  overwrite?: boolean
}

const ACTIONS = { extract, apply, inspect }
type Action = keyof typeof ACTIONS
const action = oneOf(...(Object.keys(ACTIONS) as Action[]))

/** What each action takes, by flag; the first ones are needed. */
const TAKEN: Record<Action, { needed: (keyof Values)[]; also: (keyof Values)[] }> = {
  extract: {
    needed: ['base', 'chat', 'out'],
    also: ['format', 'density', 'rank', 'energy', 'factorDtype', 'group', 'dryRun', 'resume', 'overwrite'],
  },
  apply: {
    needed: ['target', 'delta', 'out'],
    also: ['scale', 'force', 'threads', 'dryRun', 'resume', 'overwrite'],
  },
  inspect: { needed: [], also: [] },
}

const flagOf = (key: string) => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

export default defineVerb<Values>({
  name: 'delta',
  summary: 'what a chat model has beside its base, as a file: extracted once, added to many models',
  arguments: [
    {
      name: '<action>',
      description: 'extract: chat - base as a folder; apply: target + scale * delta; inspect: what it holds',
    },
    { name: '[folder]', description: 'inspect: the delta' },
  ],
  options: [
    { flags: '--base <model>', description: 'extract: what the chat model was made from' },
    { flags: '--chat <model>', description: 'extract: the chat model' },
    { flags: '--target <model>', description: 'apply: the model that learned the language' },
    { flags: '--delta <folder>', description: 'apply: what extract wrote' },
    { flags: '--out <folder>', description: 'extract, apply: where the result goes' },
    {
      flags: '--format <format>',
      description: 'extract: dense, topk, lowrank, int8 or int4; default: dense, which is exact',
      parse: oneOf(...DELTA_FORMATS),
    },
    {
      flags: '--density <d>',
      description: 'topk: the share of the values that is kept; default: 0.1',
      parse: number,
    },
    { flags: '--rank <r>', description: 'lowrank: columns of the factors; default: 64', parse: integer },
    {
      flags: '--energy <share>',
      description: 'lowrank: each matrix keeps this share of its sum of squares, instead of --rank',
      parse: number,
    },
    {
      flags: '--factor-dtype <dtype>',
      description: 'lowrank: float32 (default) or bfloat16',
      parse: oneOf('float32', 'bfloat16'),
    },
    {
      flags: '--group <n>',
      description: 'int8, int4: values of a row that share a scale; default: 64',
      parse: integer,
    },
    {
      flags: '--scale <x>',
      description:
        "apply: how much of it to add: 0.8, '[0.2, 1]' from first to last layer, or '{attention: 0.5, default: 1}'; default: 1",
      parse: (text, flag) => parseYaml(text, flag),
    },
    { flags: '--force', description: 'apply: also to a model that does not seem to descend from the base' },
    {
      flags: '--threads <n>',
      description: 'apply: that read, compute and write; default: one more than the machine has',
      parse: integer,
    },
    { flags: '--dry-run', description: 'check everything and print the plan, write nothing' },
    {
      flags: '--resume',
      description: 'go on where an interrupted run stopped; keep the work if this one is interrupted',
    },
    { flags: '--overwrite', description: 'replace what is at --out' },
    JSON_OPTION,
  ],
  examples: [
    'delta extract --base llama --chat llama-chat --out manners.delta --format topk --density 0.1',
    'delta apply --target llama-zh --delta manners.delta --scale 0.8 --out llama-zh-chat',
    'delta inspect manners.delta',
  ],
  async run([name, folder], values, io) {
    const chosen = action(name, '<action>')
    checkFlags(chosen, values)
    if ((chosen === 'inspect') !== (folder !== undefined))
      throw usageError(
        folder === undefined
          ? 'delta inspect: expected the folder of a delta, received none'
          : `delta ${chosen}: expected options alone, received '${folder}'`,
      )
    await ACTIONS[chosen](values, io, folder)
    return 0
  },
})

function checkFlags(chosen: Action, values: Values): void {
  const { needed, also } = TAKEN[chosen]
  for (const key of Object.keys(values) as (keyof Values)[]) {
    if (needed.includes(key) || also.includes(key) || !isOwn(key)) continue
    throw usageError(`${flagOf(key)}: not an option of delta ${chosen}`)
  }
  for (const key of needed)
    if (values[key] === undefined) throw usageError(`delta ${chosen}: expected ${flagOf(key)}, received none`)
}

/** Whether an option is one of the table above, and not one that every command has. */
const isOwn = (key: keyof Values) =>
  Object.values(TAKEN).some(({ needed, also }) => needed.includes(key) || also.includes(key))

async function extract(values: Values, io: Io): Promise<void> {
  const { extractDelta } = library()
  const options = {
    ...pick(values, TAKEN.extract.also as never[]),
    base: values.base!,
    chat: values.chat!,
    out: values.out!,
  }
  const { onWarning: _, ...heard } = listening(io, 'delta') // it has nothing to warn of
  const report = await resumable((onKept) => extractDelta(options, { ...heard, onKept }))
  const { tensors, ...facts } = report
  show(io, report, facts, tensors)
}

async function apply(values: Values, io: Io): Promise<void> {
  const { applyDelta } = library()
  const options = {
    ...pick(values, TAKEN.apply.also as never[]),
    target: values.target!,
    delta: values.delta!,
    out: values.out!,
  }
  const report = await resumable((onKept) => applyDelta(options, { ...listening(io, 'apply'), onKept }))
  io.progress.end()
  showGraft(io, report)
}

async function inspect(_values: Values, io: Io, folder: string): Promise<void> {
  const { inspectDelta } = library()
  const report = await inspectDelta(folder)
  const { tensors, ...facts } = report
  show(io, report, facts, tensors)
}

type Row = { shape?: readonly number[] } & object

function show(io: Io, whole: object, facts: object, tensors: readonly Row[] = []): void {
  io.progress.end()
  io.write(io.json ? jsonText(whole) : factsText(facts))
  if (!io.json && tensors.length > 0)
    io.write(`\n${tableText(tensors.map((row) => ({ ...row, shape: row.shape?.join(' x ') })))}`)
}
