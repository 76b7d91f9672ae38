// Work without end, to be ended by force: the jobs of a service, one after the other.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { graft, loadModel } from 'tongueforge'
import { TrainingSteps } from './training_steps.mjs'

export const KINDS = ['step', 'generate', 'graft', 'load', 'score']

const PROMPT = Int32Array.of(1, 2, 3, 4)
const TEXT = Int32Array.from({ length: 1000 }, (_, i) => i % 50)

/**
 * Repeats one kind of job for ever. `folders`: {small, large, scratch}, the last one for results.
 * `onRunning` is called once, when the first job has started.
 */
export async function workWithoutEnd(kind, folders, onRunning) {
  const once = await WORK[kind](folders)
  const first = once()
  onRunning()
  await first
  for (;;) await once()
}

const WORK = {
  async step({ large }) {
    const trainer = await TrainingSteps.open(large)
    let step = 0
    return () => trainer.step(step++)
  },
  async generate({ small }) {
    const model = await loadModel(small)
    let heard = 0
    return () => model.generateIds([PROMPT], { maxNewTokens: 20_000, onToken: () => heard++ })
  },
  async score({ large }) {
    const model = await loadModel(large)
    return () => model.scoreIds([TEXT], { onProgress: () => {} })
  },
  async load({ large }) {
    return async () => {
      const model = await loadModel(large, { onProgress: () => {} })
      await model.dispose()
    }
  },
  async graft({ large, scratch }) {
    const out = join(scratch, `graft-${Math.random()}`)
    return async () => {
      await graft({ target: large, base: large, chat: large, out, overwrite: true }, { onProgress: () => {} })
      rmSync(out, { recursive: true })
    }
  },
}
