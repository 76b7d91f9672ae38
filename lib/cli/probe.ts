import type { ProbePlanReport, ProbeReport } from '../index'
import { resumable } from './interruption'
import { library } from './library'
import { JSON_OPTION, pick } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values {
  dryRun?: boolean
  resume?: boolean
  overwrite?: boolean
}

export default defineVerb<Values>({
  name: 'probe',
  summary: 'learn small linear probes on what a speech encoder makes of sound, and judge them',
  arguments: [
    { name: '<config>', description: 'a YAML file; docs/probe.md lists its keys' },
    {
      name: '[overrides...]',
      description: 'key.path=value: set keys of the config, say model=path/to/model',
    },
  ],
  options: [
    { flags: '--dry-run', description: 'look at all files and labels and print the plan, learn nothing' },
    { flags: '--resume', description: 'keep the probes that a stopped run has learned, else start' },
    { flags: '--overwrite', description: 'replace what is at out' },
    JSON_OPTION,
  ],
  examples: ['probe probe.yaml --dry-run', 'probe probe.yaml model=runs/pruned out=runs/probe_pruned'],
  async run([config, overrides], values, io) {
    const { probe } = library()
    const report = await resumable((onKept) =>
      probe(config, {
        ...pick(values, ['dryRun', 'resume', 'overwrite']),
        ...{ overrides, signal: io.signal, onKept, onWarning: io.say },
        onProgress: (progress) => io.progress.update(progress),
      }),
    )
    io.progress.end()
    io.write(io.json ? jsonText(report) : reportText(report))
    return 0
  },
})

function reportText({ probes, ...facts }: ProbeReport | ProbePlanReport): string {
  return `${tableText(probes.map(row))}\n${factsText(facts)}`
}

function row(probe: (ProbeReport | ProbePlanReport)['probes'][number]): Record<string, unknown> {
  if (!('label' in probe)) return { ...probe, train: probe.train.join(', ') }
  const { name, kind, layers, classes, test } = probe
  const figure = test.accuracy ?? test.frame_accuracy ?? test.error_rate!
  const measure = test.error_rate === undefined ? 'accuracy' : 'error rate'
  return {
    ...{ probe: name, kind, layers, classes, test: test.n, measure },
    ...{ figure: Number(figure.toFixed(4)), nll: Number(test.nll.toPrecision(4)) },
  }
}
