import { parseYaml } from '../config/parse'
import type { Source } from '../text/documents'
import { library } from './library'
import { integer, JSON_OPTION, number, oneOf, pick, repeated, usageError } from './options'
import { factsText, jsonText } from './print'
import { defineVerb, type Io } from './verb'

interface Values {
  data?: string[]
  out: string
  size?: number
  coverage?: number
  minCount?: number
  maxTokenLength?: number
  special?: string[]
  bos?: string
  eos?: string
  pad?: string
  chatTemplate?: string
  like?: string
  threads?: number
  dryRun?: boolean
  overwrite?: boolean
}

const ACTIONS = { train }
const action = oneOf(...(Object.keys(ACTIONS) as (keyof typeof ACTIONS)[]))

export default defineVerb<Values>({
  name: 'vocab',
  summary: 'learn the tokens of a tokenizer from text',
  arguments: [{ name: '<action>', description: 'train: a new byte-level tokenizer' }],
  options: [
    {
      flags: '--data <source>',
      description: 'text to learn from: a path, or {path: x.jsonl, field: body} (repeatable)',
      parse: repeated,
    },
    { flags: '--out <folder>', description: 'where the result goes', required: true },
    { flags: '--size <n>', description: 'tokens at most; default: 32000', parse: integer },
    {
      flags: '--coverage <share>',
      description: 'end once this share of the words of the text are one token each',
      parse: number,
    },
    {
      flags: '--min-count <n>',
      description: 'how often a pair must stand in the text to become a token',
      parse: integer,
    },
    { flags: '--max-token-length <n>', description: 'longest token, in bytes', parse: integer },
    {
      flags: '--special <token>',
      description: 'a special token, such as a chat tag (repeatable)',
      parse: repeated,
    },
    { flags: '--bos <token>', description: 'put before every text; default: nothing is' },
    { flags: '--eos <token>', description: 'ends a text; default: <|endoftext|>' },
    { flags: '--pad <token>', description: 'fills rows' },
    { flags: '--chat-template <file>', description: 'chat template for the result' },
    { flags: '--like <folder>', description: 'normalise, cut and frame text like this byte-level tokenizer' },
    {
      flags: '--threads <n>',
      description: 'threads that count and learn; default: all cores',
      parse: integer,
    },
    { flags: '--dry-run', description: 'learn and measure, write nothing' },
    { flags: '--overwrite', description: 'replace what is at --out' },
    JSON_OPTION,
  ],
  examples: [
    'vocab train --data corpus.txt --size 32000 --out path/to/tokenizer',
    "vocab train --data 'texts/*.jsonl' --size 16000 --special '<|im_start|>' --special '<|im_end|>' --out path/to/tokenizer",
  ],
  async run([name], values, io) {
    await ACTIONS[action(name, '<action>')](values, io)
    return 0
  },
})

async function train(values: Values, io: Io): Promise<void> {
  const { trainVocabulary } = library()
  const { special, bos, eos, pad, ...rest } = values
  const report = await trainVocabulary(
    {
      ...pick(rest, [
        'out',
        'size',
        'coverage',
        'minCount',
        'maxTokenLength',
        'chatTemplate',
        'like',
        'threads',
        'dryRun',
        'overwrite',
      ]),
      data: sources(values.data, '--data'),
      specialTokens: special,
      bosToken: bos,
      eosToken: eos,
      padToken: pad,
    },
    {
      signal: io.signal,
      onWarning: io.say,
      onProgress: ({ stage, done, total }) =>
        io.progress.update({ label: stage, done, total, unit: stage === 'count' ? 'bytes' : 'tokens' }),
    },
  )
  io.progress.end()
  io.write(io.json ? jsonText(report) : factsText(report))
}

/** Sources of a repeatable flag: paths, or keys in the braces of YAML. */
function sources(given: readonly string[] | undefined, flag: string): (string | Source)[] {
  if (given === undefined) throw usageError(`expected ${flag}, received none`)
  return given.map((text) => (text.startsWith('{') ? (parseYaml(text, flag) as Source) : text))
}
