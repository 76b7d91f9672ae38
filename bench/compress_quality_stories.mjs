// The smaller model of compress_quality.mjs: stories260K twice as deep, after it has read Shakespeare.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { merge } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { dataPath } from '../test/helpers/data.mjs'

const [TEXT, STORIES] = ['corpus/en_tinyshakespeare.txt', 'models/stories260K_hf'].map(dataPath)
const BLOCKS = 5
const HELD_OUT_LINES = 1000
const LEARNING = {
  optimizer: { lr: 1e-3, weight_decay: 0 },
  schedule: { kind: 'wsd', warmup: 10, decay: 0.25 },
  checkpoint: { every: 100, keep: 1 },
}

export const ROWS = { sequence_length: 64, batch_size: 8 }
export const STEPS = 160

/** What is needed and not there. */
export const absent = () => [TEXT, STORIES].filter((path) => !existsSync(path))

/** The play without its last lines, and those: sources of data. */
export function writeTexts(folder) {
  mkdirSync(folder, { recursive: true })
  const lines = readFileSync(TEXT, 'utf8').split('\n')
  const source = (name, part) => {
    const path = join(folder, `${name}.txt`)
    writeFileSync(path, part.join('\n'))
    return [{ path, split: 'paragraph' }]
  }
  return {
    data: source('learnt', lines.slice(0, -HELD_OUT_LINES)),
    heldOut: source('held_out', lines.slice(-HELD_OUT_LINES)),
  }
}

/** Each block, and behind it a copy that adds nothing yet: the same function. */
function deeper() {
  const scale = [{ filter: 'o_proj', value: 0 }, { filter: 'down_proj', value: 0 }, { value: 1 }]
  const slice = (i, parameters) => ({
    sources: [{ model: STORIES, layer_range: [i, i + 1], ...(parameters && { parameters }) }],
  })
  const blocks = Array.from({ length: BLOCKS }, (_, i) => i)
  return {
    merge_method: 'passthrough',
    dtype: 'float32',
    slices: blocks.flatMap((i) => [slice(i), slice(i, { scale })]),
  }
}

/** Makes and trains the model in `folder`, or goes on where an earlier call was stopped: { model, report }. */
export async function trainBase({ folder, data, heldOut, steps, threads, onProgress }) {
  const model = join(folder, 'deeper')
  if (!existsSync(model)) await merge(deeper(), { out: model })
  const run = train(
    {
      ...{ ...LEARNING, ...ROWS },
      ...{ model, data, steps, threads },
      out: join(folder, 'base'),
      eval: { every: steps, data: heldOut },
      seed: 1,
    },
    { resume: true },
  )
  for await (const event of run) onProgress(event)
  return run.result
}
