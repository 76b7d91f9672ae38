// Jobs that train: a row a kind. See index.mjs.
import { rmSync } from 'node:fs'
import { train } from '#lib/verbs/train'
import { TrainingSteps } from '../training_steps.mjs'
import { written } from './place.mjs'

/** A whole training, from the data to the model. */
const training = (changes) => async (inputs) => ({
  once: ({ signal } = {}) =>
    written(inputs.scratch, async (out) => {
      const config = { ...inputs.training, model: inputs.small, out, ...changes(inputs) }
      await train(config, { signal }).result
    }),
})

export const THAT_TRAIN = {
  // Each step is another one.
  step: async ({ large, device }) => {
    const trainer = await TrainingSteps.open(large, { device })
    let step = 0
    const once = async (callbacks) => {
      const said = await trainer.step(step, callbacks)
      step++ // what fails has changed nothing
      return said
    }
    return { once, close: async () => trainer.dispose() }
  },
  train: training(() => ({ checkpoint: { every: 2, keep: 1, async: true } })),
  // Stopped after a few updates, and gone on with.
  'resume a training': async (inputs) => ({
    once: ({ signal } = {}) =>
      written(inputs.scratch, async (out) => {
        const config = { ...inputs.training, model: inputs.small, eval: undefined, out }
        const first = train(config, { signal })
        let steps = 0
        for await (const _ of first) if (++steps === 3) break
        await first.result.catch((error) => {
          if (error.name !== 'AbortError') throw error
        })
        await train(config, { resume: true, signal }).result
      }),
  }),
  'train an adapter': training(() => ({ lora: { rank: 2 } })),
  'train on preferences': training(({ pairs }) => ({
    ...{ objective: 'dpo', data: [{ path: pairs }], eval: undefined, steps: 3 },
  })),
  distil: training(({ small }) => ({
    ...{ model: undefined, objective: 'distil', teacher: small, student: { first: 1 }, steps: 3 },
  })),
  'train and prune': training(() => ({
    pruning: { schedule: 'targets', targets: [0.3, 0.5], start: 1, every: 2 },
  })),
  'train an encoder': training(({ encoder, sentences }) => ({
    ...{
      model: encoder,
      tokenizer: undefined,
      objective: 'masked',
      data: [{ path: sentences }],
      eval: undefined,
    },
    ...{ sequence_length: 24, steps: 3 },
  })),
  'train on sound': training(({ speech, sound }) => ({
    ...{
      model: speech,
      tokenizer: undefined,
      objective: 'masked',
      eval: undefined,
      sequence_length: undefined,
    },
    ...{ data: [{ path: sound.train }], sound: { targets: sound.targets }, steps: 2, batch_size: 2 },
  })),
  'train from nothing': training(({ init }) => ({ model: undefined, init, steps: 2 })),
  // Tokenising, packing and caching, and no step.
  'prepare data': async (inputs) => ({
    once: ({ signal } = {}) =>
      written(inputs.scratch, async (out) => {
        const cache = `${out}.cache`
        try {
          const config = { ...inputs.training, model: inputs.small, out, data_cache: cache }
          await train(config, { dryRun: true, signal }).result
        } finally {
          rmSync(cache, { recursive: true, force: true })
        }
      }),
  }),
}
