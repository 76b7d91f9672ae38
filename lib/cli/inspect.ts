import type { Inspection, SpeedReport } from '../index'
import { library } from './library'
import {
  integer,
  JSON_OPTION,
  type ModelValues,
  modelOptions,
  number,
  PLAIN_MODEL_OPTIONS,
  pick,
  usageError,
} from './options'
import { factsText, jsonText, tableText } from './print'
import { packedText, sparseText } from './timed_layers'
import { defineVerb, type Io } from './verb'

interface Values extends Omit<ModelValues, 'adapter'> {
  scan?: boolean
  macs?: boolean
  tokens?: number
  seconds?: number
  speed?: boolean
}

export default defineVerb<Values>({
  name: 'inspect',
  summary: 'describe a model: architecture, parameters, tensors, origin',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: [
    { flags: '--scan', description: 'also count NaN, infinities and zeros of every tensor' },
    {
      flags: '--macs',
      description:
        'also count the multiplications of a pass over --tokens or --seconds; config.json alone is enough',
    },
    {
      flags: '--speed',
      description: 'also time the model: a prompt of --tokens and tokens after it, or sound of --seconds',
    },
    {
      flags: '--tokens <n>',
      description: 'with --macs: how long the row is; with --speed: the prompt, default: 128',
      parse: integer,
    },
    {
      flags: '--seconds <s>',
      description:
        'of speech encoders, in place of --tokens: how long the sound is; with --speed, default: 10',
      parse: number,
    },
    ...PLAIN_MODEL_OPTIONS,
    JSON_OPTION,
  ],
  examples: [
    'inspect path/to/model',
    'inspect path/to/model --macs --tokens 512 --json',
    'inspect path/to/model --speed --tokens 512 --threads 1',
  ],
  async run([folder], values, io) {
    checkTimed(values)
    const { inspect } = library()
    const described = await inspect(folder, {
      ...pick(values, values.macs || !values.speed ? ['scan', 'macs', 'tokens', 'seconds'] : ['scan']),
      signal: io.signal,
      onProgress: ({ done_bytes, total_bytes }) =>
        io.progress.update({ label: 'reading weights', done: done_bytes, total: total_bytes, unit: 'bytes' }),
    })
    const report = { ...described, ...(values.speed && { speed: await speedOf(folder, values, io) }) }
    io.progress.end()
    if (io.json) {
      io.write(jsonText(report))
      return 0
    }
    const { tensors, scan, speed, ...facts } = report
    const { sparse, packed, ...times } = speed ?? {}
    io.write(factsText({ ...grouped(facts), ...(speed && { speed: times }) }))
    if (sparse) io.write(`\n${sparseText(sparse)}`)
    if (packed) io.write(`\n${packedText(packed)}`)
    io.write(`\n${tableText(tensors.map((tensor) => ({ ...tensor, shape: tensor.shape.join(' x ') })))}`)
    if (scan) io.write(`\n${tableText(scan.map((counts) => ({ ...counts })))}`)
    return 0
  },
})

/** How a model is loaded belongs to what is timed. */
function checkTimed({ speed, ...values }: Values): void {
  const [given] = Object.keys(modelOptions(values))
  if (given && !speed) throw usageError(`--${given}: expected --speed beside it, received none`)
}

function speedOf(folder: string, values: Values, io: Io): Promise<SpeedReport> {
  return library().measureSpeed(folder, {
    ...pick(values, ['tokens']),
    ...modelOptions(values),
    clipSeconds: values.seconds,
    signal: io.signal,
    onProgress: ({ done, total }) => io.progress.update({ label: 'timing', done, total, unit: 'runs' }),
  })
}

/** Large counts with their digits in groups of three: for people. */
function grouped(facts: Omit<Inspection, 'tensors' | 'scan'>): object {
  const { parameters, parts, macs } = facts
  const counts = { parameters: inGroups(parameters), parts: inGroups(parts) }
  return { ...facts, ...counts, ...(macs && { macs: inGroups(macs) }) }
}

const inGroups = (counts: object): object =>
  Object.fromEntries(
    Object.entries(counts).map(([key, value]) => [
      key,
      typeof value === 'number' ? value.toLocaleString('en-US') : value && inGroups(value),
    ]),
  )
