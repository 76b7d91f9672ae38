import { library } from './library'
import {
  exactlyOne,
  integers,
  JSON_OPTION,
  MODEL_OPTIONS,
  type ModelValues,
  modelOptions,
  SAMPLING_OPTIONS,
  type SamplingValues,
  samplingOptions,
  usageError,
} from './options'
import { jsonText } from './print'
import { timedSummary } from './timed_layers'
import { defineVerb } from './verb'

interface Values extends ModelValues, SamplingValues {
  prompt?: string
  promptIds?: number[]
  chat?: boolean
}

export default defineVerb<Values>({
  name: 'generate',
  summary: 'continue a text, or answer it as a chat model',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: [
    { flags: '--prompt <text>', description: 'the text to continue' },
    { flags: '--prompt-ids <ids>', description: 'the same as token ids: 1,2,3', parse: integers },
    { flags: '--chat', description: "put the prompt into the model's chat template, as the user's turn" },
    ...SAMPLING_OPTIONS,
    ...MODEL_OPTIONS,
    JSON_OPTION,
  ],
  examples: [
    'generate path/to/model --prompt "Once upon a time"',
    'generate path/to/model --prompt Hello --chat --temperature 0.7 --seed 1 --json',
  ],
  async run([folder], values, io) {
    exactlyOne({ ...values }, { prompt: '--prompt', promptIds: '--prompt-ids' })
    if (values.chat && values.prompt === undefined)
      throw usageError('--chat: expected --prompt, received --prompt-ids')
    const { loadDecoder } = library()
    await using model = await loadDecoder(folder, { ...modelOptions(values), signal: io.signal })
    for (const line of timedSummary(model)) io.say(line)
    const options = { ...samplingOptions(values), signal: io.signal }
    const answer =
      values.chat && values.prompt !== undefined
        ? model.chat([{ role: 'user', content: values.prompt }], options)
        : model.generate(values.prompt ?? values.promptIds ?? '', options)
    for await (const { text } of answer) if (!io.json) io.write(text)
    const result = await answer.result
    io.write(io.json ? jsonText(result) : '\n')
    io.say(
      `${result.ids.length} tokens, ${result.tokens_per_second.toPrecision(3)} a second, ${result.finish_reason}`,
    )
    return 0
  },
})
