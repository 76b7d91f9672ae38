/** Every kind of run that a report can tell of; the first that recognises a folder reads it. A new one: a file in kinds/, a row here. */
import type { Kind } from './kind'
import adapt from './kinds/adapt'
import attention from './kinds/attention'
import clusters from './kinds/clusters'
import compress from './kinds/compress'
import demo from './kinds/demo'
import evaluate from './kinds/evaluate'
import landscape from './kinds/landscape'
import model from './kinds/model'
import probe from './kinds/probe'
import sweep from './kinds/sweep'
import train from './kinds/train'

export const KINDS: Readonly<Record<string, Kind>> = {
  ...{ adapt, evaluate, train, sweep, landscape, compress, clusters, probe, attention, demo },
  // Takes whatever tells where it comes from: behind all others.
  model,
}
