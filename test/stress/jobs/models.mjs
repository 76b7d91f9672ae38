// Jobs on models that are loaded: a row a kind. See index.mjs.
import {
  attention,
  inspect,
  loadDecoder,
  loadEncoder,
  loadModel,
  loadSpeechEncoder,
  measureSpeed,
  merge,
  readAudio,
  verify,
} from 'tongueforge'
import { some, written } from './place.mjs'

const PROMPT = Int32Array.of(1, 2, 3, 4)
const TEXT = Int32Array.from({ length: 250 }, (_, i) => i % 50)
const SENTENCES = ['the dog sees a cat', 'a bird follows', 'an old dog hears the young cat']

/** A job on a model that is loaded once. */
const on = (load, once) => async (inputs) => {
  const model = await load(inputs)
  return { once: (callbacks) => once(model, callbacks, inputs), close: () => model.dispose() }
}
/** Where jobs run: on one thread, of the CPU or beside the GPU that the inputs name. */
const place = ({ device }) => ({ threads: 1, device })
const small = (inputs) => loadDecoder(inputs.small, place(inputs))
const large = (inputs) => loadDecoder(inputs.large, place(inputs))
const encoder = (inputs) => loadEncoder(inputs.encoder, place(inputs))

export const ON_MODELS = {
  load: async (inputs) => ({
    once: async (callbacks) => (await loadModel(inputs.large, { ...callbacks, ...place(inputs) })).dispose(),
  }),
  generate: on(small, async (model, { signal } = {}) => {
    let heard = 0
    const options = { maxNewTokens: 60, onToken: () => heard++, signal }
    return [`${(await model.generateIds([PROMPT], options))[0].ids}`, heard]
  }),
  'generate text': on(small, async (model, { signal } = {}) => {
    let text = ''
    for await (const piece of model.generate('the fox', { maxNewTokens: 30, signal })) text += piece.text
    return text
  }),
  chat: on(small, async (model, { signal } = {}) => {
    const messages = [{ role: 'user', content: 'the fox' }]
    return (await model.chat(messages, { maxNewTokens: 20, signal }).result).text
  }),
  serve: on(
    // Serving is for the CPU.
    ({ small }) =>
      loadDecoder(small, { threads: 1, serving: { sequences: 4, queue: 16, cache: 40 * 32 * 512 } }),
    async (model, { signal } = {}) => {
      const stop = new AbortController()
      const left = model.generateIds([PROMPT], {
        maxNewTokens: 120,
        signal: stop.signal,
        onToken: () => stop.abort(),
      })
      const asked = [1, 2, 3].map((seed) =>
        model.generateIds([PROMPT], { maxNewTokens: 24, temperature: 1, seed, signal, logprobs: 2 }),
      )
      const said = await Promise.allSettled([left, ...asked])
      const failed = said.slice(1).find(({ status }) => status === 'rejected')
      if (failed) throw failed.reason
      return said.slice(1).map(({ value }) => `${value[0].ids}`)
    },
  ),
  'graft live': on(
    (inputs) => loadDecoder(inputs.target, place(inputs)),
    async (model, { signal } = {}, { small, chat }) => {
      await model.graft({ base: small, chat }, { scale: 0.5, signal })
      const [said] = await model.scoreIds([TEXT], { signal })
      await model.ungraft()
      return said
    },
  ),
  score: on(large, (model, callbacks) => model.scoreIds([TEXT], callbacks)),
  'score with an adapter': on(
    (inputs) => loadDecoder(inputs.small, { adapter: inputs.adapter, ...place(inputs) }),
    (model, callbacks) => model.scoreIds([TEXT], callbacks),
  ),
  likelihoods: on(small, (model, callbacks) =>
    model.likelihoods(
      [
        { ids: TEXT, firstTarget: 60 },
        { ids: TEXT.slice(0, 90), firstTarget: 60 },
      ],
      callbacks,
    ),
  ),
  logits: on(small, async (model) => some((await model.logits([TEXT])).data)),
  embed: on(encoder, async (model, callbacks) => (await model.embed(SENTENCES, callbacks)).map(some)),
  'fill masks': on(encoder, (model, callbacks) => model.fillMask('the [MASK] sees a cat', callbacks)),
  'masked loss': on(encoder, (model, callbacks) =>
    model.maskedLoss([PROMPT.map((id) => id + 4)], { seed: 1, probability: 0.5, ...callbacks }),
  ),
  classify: on(
    (inputs) => loadEncoder(inputs.classifier, place(inputs)),
    (model, callbacks) => model.classify(SENTENCES, callbacks),
  ),
  hear: on(
    (inputs) => loadSpeechEncoder(inputs.hubert, place(inputs)),
    async (model, callbacks, { wav }) => {
      const { samples } = await readAudio(wav)
      const [states] = await model.hiddenStates([samples], { layers: ['last'], ...callbacks })
      return states.states.map(some)
    },
  ),
  attention: async (inputs) => ({
    once: ({ signal } = {}) =>
      attention(inputs.encoder, {
        data: { path: inputs.sentences },
        limit: 12,
        ...place(inputs),
        signal,
      }),
  }),
  inspect: async ({ small }) => ({ once: async () => (await inspect(small, { scan: true })).parameters }),
  // Times, not some.
  speed: async (inputs) => ({
    once: async ({ signal } = {}) => {
      const runs = { tokens: 16, newTokens: 4, runs: 2 }
      await measureSpeed(inputs.small, { ...runs, ...place(inputs), signal })
    },
  }),
  'choose layers': async ({ small }) => ({
    once: async ({ signal } = {}) => {
      const model = await loadDecoder(small, { sparse: 'auto', threads: 1, signal })
      await model.dispose()
    },
  }),
  verify: async ({ scratch, small, chat }) => ({
    once: () =>
      written(scratch, async (out) => {
        const models = [small, chat].map((model) => ({ model, parameters: { weight: 0.5 } }))
        await merge({ merge_method: 'linear', models }, { out })
        await verify(out, { chunks: 2 })
      }),
  }),
}
