import { library } from './library'
import { exactlyOne, JSON_OPTION, MODEL_OPTIONS, type ModelValues, modelOptions } from './options'
import { factsText, jsonText } from './print'
import { readText } from './text_file'
import { timedSummary } from './timed_layers'
import { defineVerb } from './verb'

interface Values extends ModelValues {
  file?: string
  text?: string
}

export default defineVerb<Values>({
  name: 'score',
  summary: 'measure how well a model predicts a text: negative log-likelihood and perplexity',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: [
    { flags: '--file <file>', description: 'a text file, UTF-8' },
    { flags: '--text <text>', description: 'the text itself' },
    ...MODEL_OPTIONS,
    JSON_OPTION,
  ],
  examples: [
    'score path/to/model --file held_out.txt',
    'score path/to/model --text "Once upon a time" --json',
  ],
  async run([folder], values, io) {
    exactlyOne({ ...values }, { file: '--file', text: '--text' })
    const text = values.text ?? (await readText(values.file ?? ''))
    const { loadDecoder } = library()
    await using model = await loadDecoder(folder, { ...modelOptions(values), signal: io.signal })
    for (const line of timedSummary(model)) io.say(line)
    const result = await model.score(text, { signal: io.signal })
    io.write(io.json ? jsonText(result) : factsText(result))
    return 0
  },
})
