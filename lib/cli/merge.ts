import { resumable } from './interruption'
import { library } from './library'
import { listening } from './listening'
import { integer, JSON_OPTION, pick } from './options'
import { factsText, jsonText } from './print'
import { defineVerb } from './verb'

interface Values {
  dryRun?: boolean
  resume?: boolean
  overwrite?: boolean
  threads?: number
}

export default defineVerb<Values>({
  name: 'merge',
  summary: 'merge models as a YAML config of mergekit says',
  arguments: [
    { name: '<config>', description: 'a YAML file; docs/merge.md lists its keys and methods' },
    { name: '<out>', description: 'where the result goes' },
  ],
  options: [
    {
      flags: '--threads <n>',
      description: 'that read, compute and write; default: one more than the machine has',
      parse: integer,
    },
    { flags: '--dry-run', description: 'check everything and print the plan, write nothing' },
    {
      flags: '--resume',
      description: 'go on where an interrupted merge stopped; keep the work if this one is interrupted',
    },
    { flags: '--overwrite', description: 'replace what is at <out>' },
    JSON_OPTION,
  ],
  examples: ['merge config.yaml path/to/merged', 'merge config.yaml path/to/merged --dry-run'],
  async run([config, out], values, io) {
    const { merge } = library()
    const options = { out, ...pick(values, ['threads', 'dryRun', 'resume', 'overwrite']) }
    const report = await resumable((onKept) =>
      merge(config, { ...options, ...listening(io, 'merge'), onKept }),
    )
    io.progress.end()
    if (report.nonfinite) io.say(`${report.nonfinite} values of the result are infinite or not a number`)
    const { warnings: _, ...facts } = report // said already
    io.write(io.json ? jsonText(report) : factsText(facts))
    return 0
  },
})
