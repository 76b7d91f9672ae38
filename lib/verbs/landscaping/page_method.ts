/** How points were measured, in sentences; and what zeros among weights did to their time. */
import { basename } from 'node:path'
import type { LandscapeConfig } from '../../config/landscape'
import { three } from './number_text'
import type { LandscapePoint } from './record'
import type { LandscapeReport } from './report'

export function methodSentences(config: LandscapeConfig, report: LandscapeReport): string[] {
  const { points } = report
  return [
    qualitySentence(config, report),
    ...probeSentences(report),
    'Parameters that are not zero are what weight pruning lowers; bytes are those of the weight files, in which zeros lie too.',
    `MACs are those of ${lengthOf(report)}, head and the full square of attention included, in closed form. Core is what is ` +
      "multiplied; SUPERB adds what that benchmark's counter adds. Both are dense: what a dense kernel does. Effective: core " +
      'without products with weights that are zero; shown in the table, never in the chart.',
    timeSentence(report),
    `Making all points took ${three(points.reduce((sum, { seconds }) => sum + seconds, 0))} s.`,
  ]
}

function qualitySentence({ model, evaluate }: LandscapeConfig, { kind }: LandscapeReport): string {
  const { data, sequence_length } = evaluate
  const texts = data.map(({ path }) => basename(path)).join(', ')
  const [what, unit] = {
    decoder: ['Perplexity', 'tokens'],
    encoder: ['Pre-training loss, the cross-entropy of hidden tokens in nats,', 'tokens'],
    speech: ['Pre-training loss, the cross-entropy of the clusters of hidden places in nats,', 'places'],
  }[kind] as [string, string]
  return `Model: ${basename(model)}. ${what} on ${texts} in rows of ${sequence_length} ${unit}.`
}

const WRONG = { utterance: 'utterances', frames: 'labelled places', sequence: 'tokens, by edits' }

function probeSentences({ points, probe_fronts }: LandscapeReport): string[] {
  const probes = points.find(({ probes: found }) => found)?.probes
  if (!probes || !probe_fronts) return []
  const each = probes.map(
    ({ name, kind, layers, train, test }) =>
      `${name}, the share of wrong ${WRONG[kind]} of ${test.n} utterances (layers: ${layers}; ${train.n} learned from)`,
  )
  return [
    `Probes are linear and learned anew on the frozen states of every model. Errors: ${each.join('; ')}. Of folds they are means.`,
  ]
}

/** What MACs are counted for, and what is timed. */
function lengthOf({ kind, points, measure }: LandscapeReport): string {
  const { tokens, seconds } = points[0]!.macs
  if (kind !== 'speech') return `a prompt of ${measure.tokens} tokens`
  return seconds === undefined
    ? `sound of ${tokens} places`
    : `${three(seconds)} s of sound, ${tokens} places`
}

function timeSentence(report: LandscapeReport): string {
  const { tokens, new_tokens, warmup, repeats, threads } = report.measure
  const cores =
    threads === 0 ? 'as many threads as libtorch chooses' : threads === 1 ? '1 thread' : `${threads} threads`
  const how = `Time: batch 1, ${cores}, the fastest of ${repeats} passes after ${warmup}`
  const turns = 'of the original timed in turns with it, so that other work on the machine meets both'
  const what = {
    decoder:
      `: a prompt of ${tokens} tokens to its first new token, each token after it, and a request of a prompt and ` +
      `${new_tokens} tokens. The chart shows the request, over that ${turns}.`,
    encoder: ` over a prompt of ${tokens} tokens. The chart shows it over that ${turns}.`,
    speech:
      ` over ${lengthOf(report)}, what hears the file left out. The real-time factor is that time over the seconds of ` +
      `sound. The chart shows the factor of the original times the ratio of the pass to that ${turns}.`,
  }[report.kind]
  return how + what
}

/** Of points that have lost nothing but values: what a dense kernel makes of them. Nothing where there are none. */
export function zerosSentence({ points }: LandscapeReport): string | undefined {
  const [original, ...others] = points
  const pruned = others.filter(
    (point) => isDense(point, original!) && point.parameters.nonzero < nonzeroOf(original!),
  )
  if (pruned.length === 0) return undefined
  const times = pruned.map(({ speed }) => speed.request_relative)
  const [least, most] = [Math.min(...times), Math.max(...times)].map((time) => time.toFixed(2))
  return (
    `Zeroed weights save no time here: zeros are multiplied like all other numbers, not skipped. The ${pruned.length} models ` +
    `with as many weights as the original and more of them zero take ${least === most ? least : `${least} to ${most}`} of ` +
    'its time, and as many MACs; what differs from 1 is how steady the machine was. `inspect --speed --sparse auto` times ' +
    'them with zeros left out.'
  )
}

const nonzeroOf = ({ parameters }: LandscapePoint) => parameters.nonzero

const isDense = ({ parameters, bytes }: LandscapePoint, original: LandscapePoint) =>
  parameters.total === original.parameters.total && bytes === original.bytes
