import type { AdaptPlanReport, AdaptReport } from '../index'
import { AdaptView } from './adapt_view'
import { type FollowedValues, followed } from './followed'
import { library } from './library'
import { JSON_OPTION } from './options'
import { factsText, jsonText, tableText } from './print'
import { bytes, duration } from './progress'
import { short } from './training_view'
import { defineVerb } from './verb'

export default defineVerb<FollowedValues>({
  name: 'adapt',
  summary: 'teach a chat model a language in several ways, measure all, pick one',
  arguments: [
    { name: '<config>', description: 'a YAML file; docs/adapt.md lists its keys and arms' },
    {
      name: '[overrides...]',
      description: 'key.path=value: set keys of the config, say training.tokens=1e6',
    },
  ],
  options: [
    { flags: '--dry-run', description: 'check everything, print the stages and what they need; do none' },
    { flags: '--resume', description: 'keep the stages that are done and as they were, else start' },
    { flags: '--overwrite', description: 'replace the run folder' },
    JSON_OPTION,
  ],
  examples: ['adapt config.yaml --dry-run', "adapt config.yaml 'only=[inscp]' --resume"],
  async run([config, overrides], values, io) {
    const { adapt } = library()
    const report = await followed(new AdaptView(io), { overrides, values, io }, (options) =>
      adapt(config, options),
    )
    io.write(io.json ? jsonText(report) : reportText(report))
    return 'pick' in report && report.pick.picked === null ? 1 : 0
  },
})

function reportText(report: AdaptReport | AdaptPlanReport): string {
  if ('dry_run' in report) return planText(report)
  const { results, pick: decision, model, compressed, done, seconds } = report
  const { rule, picked, reason } = decision
  const rows = results.map(({ task, metric, model: of, value, stderr, difference }) => ({
    ...{ task, metric, model: of, value, stderr, 'from the start': difference?.value },
  }))
  const facts = { rule, picked: picked ?? 'none', reason, model, compressed, done, seconds }
  return `${tableText(rows)}\n${factsText(facts)}`
}

function planText({ stages, dry_run: _, not_estimated, ...sums }: AdaptPlanReport): string {
  const rows = stages.map(({ stage, verb, on, tokens, seconds, memory_bytes, disk_bytes, estimate }) => ({
    ...{ stage, verb, on, tokens: tokens === undefined ? undefined : short(tokens) },
    time: seconds === undefined ? 'not estimated' : duration(seconds),
    ...{ memory: bytes(memory_bytes), disk: bytes(disk_bytes), '': estimate ? 'estimate' : '' },
  }))
  const without = not_estimated.length > 0 ? { 'seconds without': not_estimated.join(', ') } : {}
  return `${tableText(rows)}\n${factsText({ ...sums, ...without })}`
}
