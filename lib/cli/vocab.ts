import { library } from './library'
import { integer, JSON_OPTION, number, oneOf, pick, repeated, sources, usageError } from './options'
import { factsText, jsonText } from './print'
import { defineVerb, type Io } from './verb'

interface Values {
  data?: string[]
  out: string
  model?: string
  size?: number
  tokens?: number
  coverage?: number
  minCount?: number
  maxTokenLength?: number
  special?: string[]
  bos?: string
  eos?: string
  pad?: string
  chatTemplate?: string
  like?: string
  heldOut?: string[]
  padToMultipleOf?: number
  threads?: number
  dryRun?: boolean
  overwrite?: boolean
}

const ACTIONS = { train, extend }
type Action = keyof typeof ACTIONS
const action = oneOf(...(Object.keys(ACTIONS) as Action[]))
/** Options that one action alone takes, by their flags. */
const OWN: Record<Action, Partial<Record<keyof Values, string>>> = {
  train: { size: '--size', bos: '--bos', pad: '--pad', like: '--like' },
  extend: {
    model: '--model',
    tokens: '--tokens',
    heldOut: '--held-out',
    padToMultipleOf: '--pad-to-multiple-of',
  },
}

export default defineVerb<Values>({
  name: 'vocab',
  summary: 'learn the tokens of a tokenizer from text, or more of them for a model',
  arguments: [
    { name: '<action>', description: 'train: a new byte-level tokenizer; extend: more tokens for a model' },
  ],
  options: [
    {
      flags: '--data <source>',
      description: 'text to learn from: a path, or {path: x.jsonl, field: body} (repeatable)',
      parse: repeated,
    },
    { flags: '--out <folder>', description: 'where the result goes', required: true },
    { flags: '--model <model>', description: 'extend: what gets more tokens' },
    { flags: '--size <n>', description: 'train: tokens at most; default: 32000', parse: integer },
    { flags: '--tokens <n>', description: 'extend: new tokens to learn at most', parse: integer },
    {
      flags: '--coverage <share>',
      description: 'end once this share of the words of the text are one token each',
      parse: number,
    },
    {
      flags: '--min-count <n>',
      description: 'how often a token must stand in the text; default: 2 in train, 10 in extend',
      parse: integer,
    },
    {
      flags: '--max-token-length <n>',
      description: 'longest token, in bytes, or characters where the tokenizer has those; default: 64',
      parse: integer,
    },
    {
      flags: '--special <token>',
      description: 'a special token, such as a chat tag (repeatable)',
      parse: repeated,
    },
    { flags: '--bos <token>', description: 'train: put before every text; default: nothing is' },
    { flags: '--eos <token>', description: 'ends a text; default: <|endoftext|>, or as the model has it' },
    { flags: '--pad <token>', description: 'train: fills rows' },
    { flags: '--chat-template <file>', description: 'chat template for the result' },
    {
      flags: '--like <folder>',
      description: 'train: normalise, cut and frame text like this byte-level tokenizer',
    },
    {
      flags: '--held-out <source>',
      description: 'extend: text to check and measure on; default: every fiftieth of --data (repeatable)',
      parse: repeated,
    },
    {
      flags: '--pad-to-multiple-of <n>',
      description: 'extend: rows of embedding and head come in multiples of this',
      parse: integer,
    },
    {
      flags: '--threads <n>',
      description: 'threads that count and learn; default: all cores (at most 8 count)',
      parse: integer,
    },
    { flags: '--dry-run', description: 'learn and measure, write nothing' },
    { flags: '--overwrite', description: 'replace what is at --out' },
    JSON_OPTION,
  ],
  examples: [
    'vocab train --data corpus.txt --size 32000 --out path/to/tokenizer',
    'vocab extend --model path/to/model --data corpus.txt --tokens 8000 --out path/to/extended',
    "vocab extend --model path/to/base --special '<|user|>' --special '<|end|>' --eos '<|end|>' --chat-template chat.jinja --out path/to/extended",
  ],
  async run([name], values, io) {
    const chosen = action(name, '<action>')
    for (const [other, flags] of Object.entries(OWN))
      for (const [key, flag] of Object.entries(flags))
        if (other !== chosen && values[key as keyof Values] !== undefined)
          throw usageError(`${flag}: not an option of vocab ${chosen}, but of vocab ${other}`)
    await ACTIONS[chosen](values, io)
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
    listening(io),
  )
  show(io, report)
}

async function extend(values: Values, io: Io): Promise<void> {
  const { extendVocabulary } = library()
  const { model, data, heldOut, special, eos, ...rest } = values
  if (model === undefined) throw usageError('expected --model, received none')
  const report = await extendVocabulary(
    {
      ...pick(rest, [
        'out',
        'tokens',
        'coverage',
        'minCount',
        'maxTokenLength',
        'chatTemplate',
        'padToMultipleOf',
        'threads',
        'dryRun',
        'overwrite',
      ]),
      model,
      data: data && sources(data, '--data'),
      heldOut: heldOut && sources(heldOut, '--held-out'),
      specialTokens: special,
      eosToken: eos,
    },
    listening(io),
  )
  show(io, report)
}

/** What both actions tell while they work: `learn` counts tokens, every other stage bytes. */
const listening = (io: Io) => ({
  signal: io.signal,
  onWarning: io.say,
  onProgress: ({ stage, done, total }: { stage: string; done: number; total?: number }) =>
    io.progress.update({ label: stage, done, total, unit: stage === 'learn' ? 'tokens' : 'bytes' }),
})

function show(io: Io, report: object): void {
  io.progress.end()
  io.write(io.json ? jsonText(report) : factsText(report))
}

/** Sources of a repeatable flag: paths, or keys in the braces of YAML. */
