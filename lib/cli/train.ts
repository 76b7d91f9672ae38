import { rendezvous } from '../distributed/rendezvous'
import { TongueforgeError, toTongueforgeError } from '../errors'
import type { DryRunReport, TrainResult } from '../index'
import { histogramText } from './histogram'
import { resumeCommand } from './interruption'
import { library } from './library'
import { JSON_OPTION, pick } from './options'
import { factsText, jsonText, tableText } from './print'
import { shownBatchText } from './shown_batch'
import { TrainingView } from './training_view'
import { defineVerb, type Io } from './verb'

interface Values {
  dryRun?: boolean
  showBatch?: boolean
  resume?: boolean
  overwrite?: boolean
}

export default defineVerb<Values>({
  name: 'train',
  summary: 'train a model as a YAML config says',
  arguments: [
    { name: '<config>', description: 'a YAML file; docs/train.md lists its keys' },
    { name: '[overrides...]', description: 'key.path=value: set keys of the config, say optimizer.lr=1e-4' },
  ],
  options: [
    { flags: '--dry-run', description: 'check everything and print the plan, train nothing' },
    {
      flags: '--show-batch',
      description: 'print the first batch, with what is learnt of it marked; train nothing',
    },
    { flags: '--resume', description: 'go on from the newest checkpoint, else start' },
    { flags: '--overwrite', description: 'replace the run folder' },
    JSON_OPTION,
  ],
  examples: ['train config.yaml', 'train config.yaml steps=100 optimizer.lr=1e-4 --resume'],
  async run([config, overrides], values, io) {
    const { train } = library()
    const rank = rendezvous(process.env)?.rank ?? 0
    const view = new TrainingView(io)
    const run = train(config, {
      ...pick(values, ['dryRun', 'showBatch', 'resume', 'overwrite']),
      overrides,
      signal: io.signal,
      ownProcess: false, // this one is
      onWarning: (message) => view.warning(message),
      onNote: (message) => view.note(message),
      onProgress: (work) => view.progress(work),
    })
    try {
      for await (const step of run) view.step(step)
      const result = await run.result
      io.progress.end()
      if (rank === 0) io.write(io.json ? jsonText(result) : resultText(result, values, io))
      return 0
    } catch (thrown) {
      const error = rank === 0 ? thrown : ofRank(rank, thrown)
      const isStopped = io.signal.aborted || toTongueforgeError(error).code === 'ERR_INTERRUPTED'
      throw isStopped ? interruption(error, run.latest.checkpoint, [config, ...overrides]) : error
    }
  },
})

/** Several processes may share one log. */
function ofRank(rank: number, thrown: unknown): TongueforgeError {
  const { code, message, hint, details } = toTongueforgeError(thrown)
  return new TongueforgeError(code, `rank ${rank}: ${message}`, { hint, details, cause: thrown })
}

function resultText(result: TrainResult, { dryRun, showBatch }: Values, { colour }: Io): string {
  const { batch, perplexity, ...rest } = withoutTargets(result.report as DryRunReport)
  const { histogram: _, ...figures } = perplexity ?? {}
  const report = { ...rest, ...(perplexity && { perplexity: figures }) }
  const bars = perplexity ? `\n${histogramText(perplexity)}` : ''
  const targets = targetsText(result.report as DryRunReport)
  const facts = showBatch && !dryRun ? '' : factsText({ ...result, report }) + bars + targets
  return batch ? `${facts && `${facts}\n`}${shownBatchText(batch, { colour })}` : facts
}

// The targets of a pruning are a table of their own.
function withoutTargets({ plan, ...report }: DryRunReport): DryRunReport {
  const { targets: _, ...pruning } = plan.pruning ?? {}
  return { ...report, plan: { ...plan, ...(plan.pruning && { pruning }) } as DryRunReport['plan'] }
}

function targetsText({ plan: { pruning } }: DryRunReport): string {
  return pruning ? `\npruned after step\n${tableText([...pruning.targets] as never)}` : ''
}

/** What a stopped run says: with a checkpoint, that it can go on and how. `args` are those of the command line. */
function interruption(
  error: unknown,
  saved: { path: string; step: number } | undefined,
  args: string[],
): unknown {
  if (!saved) return error
  const { code, message } = toTongueforgeError(error)
  const failed = code === 'ERR_INTERRUPTED' ? '' : `; saving more failed: ${message}`
  return new TongueforgeError(
    'ERR_INTERRUPTED',
    `stopped; what was learned up to step ${saved.step} is saved${failed}`,
    {
      hint: resumeCommand(['train', ...args]),
      details: { resumable: true, checkpoint: saved.path, step: saved.step },
      cause: error,
    },
  )
}
