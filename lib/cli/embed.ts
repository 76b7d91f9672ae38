import { library } from './library'
import { modelOptions, oneOf, pick } from './options'
import { jsonText } from './print'
import { callOptions, TEXTS_OPTIONS, type TextsValues, textsOf } from './texts'
import { timedSummary } from './timed_layers'
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
    await using model = await loadEncoder(folder, { ...modelOptions(values), signal: io.signal })
    for (const line of timedSummary(model)) io.say(line)
    const how = pick(values, ['pooling', 'normalize'])
    const vectors = await model.embed(texts, { ...how, ...callOptions(values, io) })
    io.progress.end()
    const rows = vectors.map((vector) => [...vector])
    if (io.json) io.write(jsonText({ dimensions: model.spec.hidden_size, vectors: rows }))
    else io.write(`${rows.map((row) => row.join(' ')).join('\n')}\n`)
    return 0
  },
})
