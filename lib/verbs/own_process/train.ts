/** Training as a server calls it: in a process of its own, which a crash of native code ends in place of this one. */
import { rmSync } from 'node:fs'
import { checkOptions, type Kinds } from '../../config/call_options'
import { rendezvous } from '../../distributed/rendezvous'
import { type DryRun, type FullRun, signalOf } from '../run'
import {
  type DryRunReport,
  OPTIONS as HERE,
  type TrainOptions as HereOptions,
  type TrainReport,
  type TrainResult,
  TrainRun,
  train as trainHere,
} from '../train'
import { type Audience, Hearing } from './hearing'
import { HostProcess } from './spawn'
import type { SentOptions } from './verbs'

/** What may be asked of a training beside its config. */
export interface TrainOptions extends HereOptions {
  /**
   * Whether a process of its own does the work (default), which also goes on where this one ends: `attach` follows it
   * then. One of several processes that train together works itself.
   */
  ownProcess?: boolean | undefined
}

const OPTIONS: Kinds<TrainOptions> = { ...HERE, ownProcess: 'flag' }

/**
 * Trains as a YAML file or an object says (docs/train.md). Same machine, build and config: the same bytes, also when
 * it was stopped and resumed. Throws ERR_CONFIG, ERR_DATA, ERR_EXISTS, ERR_BUSY, ERR_NO_SPACE, ERR_OUT_OF_MEMORY,
 * ERR_NON_FINITE, ERR_SPIKE, ERR_DISTRIBUTED, ERR_PROCESS where its process was killed or crashed, and what loading
 * throws.
 */
export function train(
  config: string | object,
  options?: FullRun<TrainOptions> & { showBatch?: false | undefined },
): TrainRun<TrainReport>
/** What it would do: nothing is done. */
export function train(
  config: string | object,
  options: DryRun<TrainOptions> | (TrainOptions & { showBatch: true }),
): TrainRun<DryRunReport>
/** Either, as the options say. */
export function train(config: string | object, options?: TrainOptions): TrainRun
export function train(config: string | object, options: TrainOptions = {}): TrainRun {
  const { ownProcess, ...others } = { ...options }
  if (ownProcess === false || isOneOfMany(others)) return trainHere(config, others)
  return new TrainRun((context) => trainThere(config, options, { ...options, ...context }), {
    signal: signalOf(options),
  })
}

function isOneOfMany({ environment = process.env }: TrainOptions): boolean {
  try {
    return rendezvous(environment) !== null
  } catch {
    return true // the training says what is wrong with it
  }
}

async function trainThere(
  source: string | object,
  options: TrainOptions,
  audience: Audience & { signal: AbortSignal },
): Promise<TrainResult> {
  checkOptions('train', options, OPTIONS)
  const { signal } = audience
  signal.throwIfAborted()
  const child = HostProcess.start({ verb: 'train', source, options: sent(options) })
  const stop = () => child.stop()
  signal.addEventListener('abort', stop, { once: true })
  const hearing = new Hearing(audience, stop)
  try {
    for await (const event of child.events()) hearing.hear(event)
    return hearing.ended({ ...(await child.exit), pid: child.pid, log: child.log }) as TrainResult
  } catch (error) {
    stop() // what cannot be heard any more does not go on unheard
    await child.exit
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    rmSync(child.log, { force: true }) // one that is stopped before it listens leaves it; the last words are told by now
  }
}

function sent({ overrides, dryRun, showBatch, resume, overwrite }: TrainOptions): SentOptions {
  return { overrides, dryRun, showBatch, resume, overwrite }
}
