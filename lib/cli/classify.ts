import { library } from './library'
import { modelOptions } from './options'
import { jsonText, tableText } from './print'
import { callOptions, TEXTS_OPTIONS, type TextsValues, textsOf } from './texts'
import { timedSummary } from './timed_layers'
import { defineVerb } from './verb'

export default defineVerb<TextsValues>({
  name: 'classify',
  summary: 'label texts with a text encoder that has a classification head',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: TEXTS_OPTIONS,
  examples: [
    'classify path/to/classifier --text "What a day"',
    'classify path/to/classifier --file sentences.txt --json',
  ],
  async run([folder], values, io) {
    const texts = await textsOf(values)
    const { loadEncoder } = library()
    await using model = await loadEncoder(folder, { ...modelOptions(values), signal: io.signal })
    for (const line of timedSummary(model)) io.say(line)
    const labels = await model.classify(texts, callOptions(values, io))
    io.progress.end()
    const results = labels.map((one, i) => ({ text: texts[i]!, ...one }))
    if (io.json) io.write(jsonText({ results }))
    else io.write(tableText(results.map(({ label, score, text }) => ({ label, score, text }))))
    return 0
  },
})
