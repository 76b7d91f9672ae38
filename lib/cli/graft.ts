import { library } from './library'
import { JSON_OPTION, number, pick } from './options'
import { factsText, jsonText } from './print'
import { defineVerb } from './verb'
import { vocabularyText } from './vocabulary_table'

interface Values {
  target: string
  base: string
  chat: string
  out: string
  scale?: number
  overwrite?: boolean
  dryRun?: boolean
  resume?: boolean
}

export default defineVerb<Values>({
  name: 'graft',
  summary: 'add a chat vector: out = target + scale * (chat - base)',
  arguments: [],
  options: [
    { flags: '--target <model>', description: 'the model that learned the language', required: true },
    { flags: '--base <model>', description: 'what both others were made from', required: true },
    { flags: '--chat <model>', description: 'the chat model', required: true },
    { flags: '--out <folder>', description: 'where the result goes', required: true },
    { flags: '--scale <x>', description: 'how much of the vector to add; default: 1', parse: number },
    { flags: '--dry-run', description: 'check everything and print the plan, write nothing' },
    { flags: '--resume', description: 'starts anew: an interrupted graft leaves nothing to go on from' },
    { flags: '--overwrite', description: 'replace what is at --out' },
    JSON_OPTION,
  ],
  examples: [
    'graft --target llama-zh --base llama --chat llama-chat --out llama-zh-chat',
    'graft --target llama-zh --base llama --chat llama-chat --scale 0.8 --out llama-zh-chat --dry-run',
  ],
  async run(_args, values, io) {
    const { graft } = library()
    const options = pick(values, ['target', 'base', 'chat', 'out', 'scale', 'overwrite', 'dryRun', 'resume'])
    const result = await graft(options, {
      signal: io.signal,
      onProgress: ({ done_bytes, total_bytes }) =>
        io.progress.update({ label: 'graft', done: done_bytes, total: total_bytes, unit: 'bytes' }),
    })
    io.progress.end()
    const { vocabulary, ...facts } = result
    io.write(io.json ? jsonText(result) : factsText(facts) + vocabularyText(vocabulary))
    return 0
  },
})
