import { library } from './library'
import { JSON_OPTION, oneOf, pick } from './options'
import { factsText, jsonText } from './print'
import { defineVerb } from './verb'

interface Values {
  model: string
  adapter: string
  out: string
  overwrite?: boolean
  dryRun?: boolean
}

const action = oneOf('merge')

export default defineVerb<Values>({
  name: 'adapter',
  summary: 'merge a LoRA adapter into its model',
  arguments: [{ name: '<action>', description: 'merge: out = model + scale * B A' }],
  options: [
    { flags: '--model <model>', description: 'what the adapter was trained on', required: true },
    {
      flags: '--adapter <folder>',
      description: 'an adapter as PEFT writes it, or a run folder',
      required: true,
    },
    { flags: '--out <folder>', description: 'where the result goes', required: true },
    { flags: '--dry-run', description: 'check everything and print the plan, write nothing' },
    { flags: '--overwrite', description: 'replace what is at --out' },
    JSON_OPTION,
  ],
  examples: [
    'adapter merge --model path/to/model --adapter runs/lora --out path/to/merged',
    'adapter merge --model path/to/model --adapter path/to/adapter --out path/to/merged --dry-run',
  ],
  async run([name], values, io) {
    action(name, '<action>')
    const { mergeAdapter } = library()
    const result = await mergeAdapter(pick(values, ['model', 'adapter', 'out', 'overwrite', 'dryRun']), {
      signal: io.signal,
      onProgress: ({ done_bytes, total_bytes }) =>
        io.progress.update({ label: 'merge', done: done_bytes, total: total_bytes, unit: 'bytes' }),
    })
    io.progress.end()
    io.write(io.json ? jsonText(result) : factsText(result))
    return 0
  },
})
