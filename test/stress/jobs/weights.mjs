// Jobs from model folders to model folders: merging, deltas, conversion, compression. A row a kind. See index.mjs.
import {
  applyDelta,
  compress,
  convert,
  extendVocabulary,
  extractDelta,
  graft,
  inspectDelta,
  merge,
  mergeAdapter,
  sweep,
  verify,
} from 'tongueforge'
import { written } from './place.mjs'

/** `run(inputs, out, callbacks)` writes a folder. */
const writing = (run) => async (inputs) => ({
  once: (callbacks = {}) => written(inputs.scratch, (out) => run(inputs, out, callbacks)),
})

const compressing = (...stages) =>
  writing(({ small, texts, training }, out, { signal }) => {
    const calibration = { data: [{ path: texts }], samples: 4, sequence_length: 48 }
    const config = { model: small, out, calibration, stages, data_cache: training.data_cache, threads: 1 }
    return compress(config, { signal }).result
  })

export const ON_WEIGHTS = {
  graft: writing(({ large }, out, callbacks) =>
    graft({ target: large, base: large, chat: large, out }, callbacks),
  ),
  'graft a part': writing(async ({ target, small, chat }, out, callbacks) => {
    const sparsify = { method: 'dare', density: 0.5, seed: 1 }
    await graft({ target, base: small, chat, sparsify, out }, callbacks)
    await verify(out, { chunks: 2 })
  }),
  merge: writing(({ small, chat, target }, out, callbacks) => {
    const models = [chat, target].map((model) => ({ model, parameters: { weight: 0.5, density: 0.5 } }))
    return merge({ merge_method: 'ties', base_model: small, models, dtype: 'float32' }, { out, ...callbacks })
  }),
  'merge an adapter': writing(({ small, adapter }, out, callbacks) =>
    mergeAdapter({ model: small, adapter, out }, callbacks),
  ),
  'extract a delta': writing(({ small, chat }, out, callbacks) =>
    extractDelta({ base: small, chat, format: 'lowrank', rank: 4, out }, callbacks),
  ),
  'apply a delta': writing(async ({ target, delta }, out, callbacks) => {
    await inspectDelta(delta)
    await applyDelta({ target, delta, out }, callbacks)
  }),
  sweep: writing(({ target, small, chat, texts, training }, out, { signal }) => {
    const objectives = [{ name: 'language', loss: 'text', data: [{ path: texts }] }]
    const config = {
      target,
      base: small,
      chat,
      scales: [0, 1],
      objectives,
      out,
      data_cache: training.data_cache,
    }
    return sweep({ ...config, sequence_length: 64, batch_size: 4, threads: 1 }, { signal }).result
  }),
  convert: writing(({ torch }, out, callbacks) => convert({ file: torch, out }, callbacks)),
  'convert shards': writing(({ shards }, out, callbacks) => convert({ file: shards, out }, callbacks)),
  'extend a vocabulary': writing(({ pieces, texts }, out, callbacks) =>
    extendVocabulary({ model: pieces, data: texts, tokens: 20, minCount: 2, threads: 1, out }, callbacks),
  ),
  'compress: heads and rows': compressing(
    { method: 'heads', criterion: 'taylor', keep: 2 },
    { method: 'rows', keep: 64 },
  ),
  'compress: named heads and layers': compressing(
    { method: 'heads', heads: { 0: [0, 2], 1: [1, 3] } },
    { method: 'layers', keep: 1 },
  ),
  'compress: low rank': compressing({ method: 'lowrank', ratio: 0.5 }),
  'compress: prune': compressing({ method: 'prune', criterion: 'sparsegpt', sparsity: 0.5 }),
  'compress: quantise': compressing({ method: 'quantize', group: 8, gptq: true }),
}
