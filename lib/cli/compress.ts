import type { CompressPlanReport, CompressReport, CompressResult } from '../index'
import { CompressView } from './compress_view'
import { type FollowedValues, followed } from './followed'
import { library } from './library'
import { JSON_OPTION } from './options'
import { factsText, jsonText, tableText } from './print'
import { bytes } from './progress'
import { short } from './training_view'
import { defineVerb } from './verb'

export default defineVerb<FollowedValues>({
  name: 'compress',
  summary: 'make a model small in stages, as a YAML config says',
  arguments: [
    { name: '<config>', description: 'a YAML file; docs/compress.md lists its keys and methods' },
    { name: '[overrides...]', description: 'key.path=value: set keys of the config, say stages.0.keep=4' },
  ],
  options: [
    { flags: '--dry-run', description: 'check everything and print the plan, compress nothing' },
    { flags: '--resume', description: 'go on after the last stage that is finished, else start' },
    { flags: '--overwrite', description: 'replace the run folder' },
    JSON_OPTION,
  ],
  examples: ['compress config.yaml', 'compress config.yaml stages.0.keep=4 --dry-run'],
  async run([config, overrides], values, io) {
    const { compress } = library()
    const result = await followed(new CompressView(io), { overrides, values, io }, (options) =>
      compress(config, options),
    )
    io.write(io.json ? jsonText(result) : resultText(result))
    return 0
  },
})

function resultText({ model, report }: CompressResult): string {
  const { stages, ...told } = report
  const facts = { ...told, removed_heads: undefined } // one by one they are for programs
  return `${tableText(stages.map(row))}\n${factsText({ model, ...facts })}`
}

type Line = CompressReport['stages'][number] | CompressPlanReport['stages'][number]

function row(line: Line): Record<string, unknown> {
  const { stage, parameters } = line
  const size = line.bytes === undefined ? undefined : bytes(line.bytes)
  const found = 'perplexity' in line ? { perplexity: line.perplexity } : {}
  const unknown = 'unknown' in line ? line.unknown : ''
  return {
    stage,
    parameters: parameters?.total,
    nonzero: parameters?.nonzero,
    bytes: size,
    macs: line.macs && short(line.macs.core),
    ...found,
    '': unknown,
  }
}
