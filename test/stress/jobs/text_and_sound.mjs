// Jobs on text and sound: a row a kind. See index.mjs.
import {
  audioInfo,
  clusters,
  evaluate,
  loadLanguageIdentifier,
  probe,
  readAudio,
  trainVocabulary,
} from 'tongueforge'
import { FrontEnd } from '#lib/audio/front_end'
import { readDocuments, resolveSource } from '#lib/text/documents'
import { Tokenizer } from '#lib/text/tokenizer'
import { some, written } from './place.mjs'

const SENTENCES = Array.from({ length: 40 }, (_, i) => `the committee of number ${i} has not decided yet`)

const writing = (run) => async (inputs) => ({
  once: (callbacks = {}) => written(inputs.scratch, (out) => run(inputs, out, callbacks)),
})

export const ON_TEXT_AND_SOUND = {
  'train a vocabulary': writing(({ texts }, out, callbacks) =>
    trainVocabulary({ data: texts, out, size: 300, threads: 1 }, callbacks),
  ),
  tokenise: async ({ pieces }) => {
    const tokenizer = await Tokenizer.load(pieces)
    return { once: async () => (await Promise.all(SENTENCES.map((text) => tokenizer.encode(text)))).join() }
  },
  'read parquet': async ({ parquet }) => ({
    once: async () => {
      let documents = 0
      for await (const _ of readDocuments(await resolveSource({ path: parquet }))) documents++
      return documents
    },
  }),
  'find languages': async () => {
    const identifier = await loadLanguageIdentifier()
    return { once: () => identifier.identify(SENTENCES), close: () => identifier.dispose() }
  },
  'find languages by fastText': async ({ fastText }) => ({
    once: async () => {
      const identifier = await loadLanguageIdentifier({ model: fastText })
      const found = await identifier.identify(SENTENCES)
      await identifier.dispose()
      return found
    },
  }),
  evaluate: writing(
    ({ small, tasks, device }, out, { signal }) =>
      evaluate({ models: [small], tasks, out, device, threads: 1 }, { signal }).result,
  ),
  'read wav': async ({ wav }) => ({
    once: async ({ signal } = {}) => {
      const { channels } = await audioInfo(wav, { signal })
      const { samples } = await readAudio(wav, { signal })
      return [channels, some(samples)]
    },
  }),
  'read flac': async ({ flac }) => ({
    once: async ({ signal } = {}) => some((await readAudio(flac, { signal })).samples),
  }),
  'make frames': async ({ speech, wav }) => {
    const frontEnd = await FrontEnd.open(speech)
    const audio = await readAudio(wav)
    return {
      once: async ({ signal } = {}) => {
        const { count } = await frontEnd.moments(audio, { signal, threads: 1 })
        return [count, some((await frontEnd.sound(audio, { signal, threads: 1 })).data)]
      },
      close: () => frontEnd.dispose(),
    }
  },
  clusters: writing(({ sound }, out, callbacks) =>
    clusters(
      {
        data: [{ path: sound.train }],
        out,
        k_means: { clusters: 4, batches: 5, batch_size: 50 },
        threads: 1,
      },
      callbacks,
    ),
  ),
  probe: writing(({ speech, sound }, out, { signal }) => {
    const [train, test] = [sound.train, sound.heldOut].map((path) => [{ path }])
    const probes = [{ name: 'speaker', kind: 'utterance', label: 'speaker', steps: 5 }]
    return probe({ model: speech, out, train, test, probes, threads: 1 }, { signal })
  }),
}
