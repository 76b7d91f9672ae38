// How each verb that writes is called. Apart from the rows of writing_verbs.mjs, for a process that is going to be killed
// loads no more than its verb: loading is most of what a kill costs.

/** A config with its result in `out`; the data that it encodes lie beside, so that faults meet them too. */
const within = (config, out) => ({ ...config, out, data_cache: `${out}-cache` })

const trains = ['train', ({ train }, config, out, how) => train(within(config, out), how).result]

/** The module below lib/verbs, and how it runs what `prepare` of the verb has given, to a result in `out`. */
const CALLS = {
  train: trains,
  'train with rollbacks': trains,
  'train an adapter': trains,
  graft: ['graft', ({ graft }, models, out, how) => graft({ ...models, scale: 0.7, out, ...how })],
  merge: [
    'merge',
    ({ merge }, { target, chat }, out, how) => {
      const models = [target, chat].map((model) => ({ model }))
      return merge({ merge_method: 'linear', models, parameters: { weight: 1 } }, { out, ...how })
    },
  ],
  'delta extract': [
    'delta_extract',
    ({ extractDelta }, { base, chat }, out, how) => extractDelta({ base, chat, format: 'topk', out, ...how }),
  ],
  'delta apply': ['delta_apply', ({ applyDelta }, given, out, how) => applyDelta({ ...given, out, ...how })],
  convert: ['convert', ({ convert }, given, out, how) => convert({ ...given, out, ...how })],
  'adapter merge': [
    'adapter',
    ({ mergeAdapter }, given, out, how) => mergeAdapter({ ...given, out, ...how }),
  ],
  'vocab train': [
    'vocab_train',
    ({ trainVocabulary }, given, out, how) => trainVocabulary({ ...given, out, ...how }),
  ],
  'vocab extend': [
    'vocab_extend',
    ({ extendVocabulary }, given, out, how) => extendVocabulary({ ...given, out, ...how }),
  ],
  compress: ['compress', ({ compress }, given, out, how) => compress(within(given, out), how).result],
  adapt: ['adapt', ({ adapt }, given, out, how) => adapt(within(given, out), how).result],
  evaluate: ['evaluate', ({ evaluate }, given, out, how) => evaluate({ ...given, out }, how).result],
  sweep: ['sweep', ({ sweep }, given, out, how) => sweep(within(given, out), how).result],
  landscape: ['landscape', ({ landscape }, given, out, how) => landscape(within(given, out), how).result],
  clusters: ['clusters', ({ clusters }, given, out, how) => clusters({ ...given, out }, how)],
  report: ['report', ({ report }, { runs }, out, how) => report(runs, { out: `${out}.html`, ...how })],
}

/** Loads a verb: `run(given, out, how)`. */
export async function loadVerb(verb) {
  const [file, call] = CALLS[verb]
  const module = await import(`#lib/verbs/${file}`)
  return (given, out, how) => call(module, given, out, how)
}
