import { resumable } from './interruption'
import { library } from './library'
import { JSON_OPTION, pick } from './options'
import { factsText, jsonText } from './print'
import { defineVerb } from './verb'

interface Values {
  dryRun?: boolean
  resume?: boolean
  overwrite?: boolean
}

export default defineVerb<Values>({
  name: 'clusters',
  summary: 'learn clusters of sound (k-means) and label its frames, as targets for speech models',
  arguments: [
    { name: '<config>', description: 'a YAML file; docs/clusters.md lists its keys' },
    {
      name: '[overrides...]',
      description: 'key.path=value: set keys of the config, say k_means.clusters=64',
    },
  ],
  options: [
    { flags: '--dry-run', description: 'look at all files and print the plan, learn nothing' },
    { flags: '--resume', description: 'go on with the centres of a run that was stopped, else start' },
    { flags: '--overwrite', description: 'replace what is at out' },
    JSON_OPTION,
  ],
  examples: ['clusters clusters.yaml --dry-run', 'clusters clusters.yaml k_means.clusters=100'],
  async run([config, overrides], values, io) {
    const { clusters } = library()
    const report = await resumable((onKept) =>
      clusters(config, {
        ...pick(values, ['dryRun', 'resume', 'overwrite']),
        ...{ overrides, signal: io.signal, onKept, onWarning: io.say },
        onProgress: (progress) => io.progress.update(progress),
      }),
    )
    io.progress.end()
    io.write(io.json ? jsonText(report) : factsText(report))
    return 0
  },
})
