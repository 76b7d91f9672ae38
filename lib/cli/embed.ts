import { library } from './library'
import { oneOf, pick } from './options'
import { jsonText } from './print'
import { callOptions, TEXTS_OPTIONS, type TextsValues, textsOf } from './texts'
import { defineVerb } from './verb'

interface Values extends TextsValues {
  pooling?: 'mean' | 'cls'
  normalize?: boolean
}

export default defineVerb<Values>({
  name: 'embed',
  summary: 'turn texts into vectors with a text encoder (BERT, RoBERTa)',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: [
    {
      flags: '--pooling <how>',
      description: 'mean of the states of all tokens (default), or cls, the state of the first',
      parse: oneOf('mean', 'cls'),
    },
    { flags: '--normalize', description: 'make each vector of length 1' },
    ...TEXTS_OPTIONS,
  ],
  examples: [
    'embed path/to/encoder --text "Once upon a time"',
    'embed path/to/encoder --file sentences.txt --normalize --json',
  ],
  async run([folder], values, io) {
    const texts = await textsOf(values)
    const { loadEncoder } = library()
    const options = pick(values, ['device', 'dtype', 'threads'])
    await using model = await loadEncoder(folder, { ...options, signal: io.signal })
    const how = pick(values, ['pooling', 'normalize'])
    const vectors = await model.embed(texts, { ...how, ...callOptions(values, io) })
    io.progress.end()
    const rows = vectors.map((vector) => [...vector])
    if (io.json) io.write(jsonText({ dimensions: model.spec.hidden_size, vectors: rows }))
    else io.write(`${rows.map((row) => row.join(' ')).join('\n')}\n`)
    return 0
  },
})
