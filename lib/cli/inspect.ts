import type { Inspection } from '../index'
import { library } from './library'
import { integer, JSON_OPTION, pick } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values {
  scan?: boolean
  macs?: boolean
  tokens?: number
}

export default defineVerb<Values>({
  name: 'inspect',
  summary: 'describe a model: architecture, parameters, tensors, origin',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: [
    { flags: '--scan', description: 'also count NaN, infinities and zeros of every tensor' },
    {
      flags: '--macs',
      description: 'also count the multiplications of a pass over --tokens; config.json alone is enough',
    },
    { flags: '--tokens <n>', description: 'with --macs: how long the row is', parse: integer },
    JSON_OPTION,
  ],
  examples: ['inspect path/to/model', 'inspect path/to/model --macs --tokens 512 --json'],
  async run([folder], values, io) {
    const { inspect } = library()
    const report = await inspect(folder, {
      ...pick(values, ['scan', 'macs', 'tokens']),
      signal: io.signal,
      onProgress: ({ done_bytes, total_bytes }) =>
        io.progress.update({ label: 'reading weights', done: done_bytes, total: total_bytes, unit: 'bytes' }),
    })
    io.progress.end()
    if (io.json) {
      io.write(jsonText(report))
      return 0
    }
    const { tensors, scan, ...facts } = report
    io.write(factsText(grouped(facts)))
    io.write(`\n${tableText(tensors.map((tensor) => ({ ...tensor, shape: tensor.shape.join(' x ') })))}`)
    if (scan) io.write(`\n${tableText(scan.map((counts) => ({ ...counts })))}`)
    return 0
  },
})

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
