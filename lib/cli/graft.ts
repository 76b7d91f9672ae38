import { parseYaml } from '../config/parse'
import type { Scale } from '../config/scales'
import type { GraftReport } from '../index'
import { resumable } from './interruption'
import { library } from './library'
import { listening } from './listening'
import { integer, JSON_OPTION, pick, repeated, usageError } from './options'
import { factsText, jsonText } from './print'
import { defineVerb, type Io } from './verb'
import { vocabularyText } from './vocabulary_table'

interface Values {
  target: string
  base: string[]
  chat: string[]
  out: string
  scale?: Scale[]
  sparsify?: { method: 'ties' | 'dare'; density: number }
  seed?: number
  residual?: boolean
  threads?: number
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
    {
      flags: '--base <model>',
      description: 'what the chat model was made from (repeatable: one for each --chat, or one for all)',
      parse: repeated,
      required: true,
    },
    {
      flags: '--chat <model>',
      description: 'the chat model (repeatable: several vectors are added)',
      parse: repeated,
      required: true,
    },
    { flags: '--out <folder>', description: 'where the result goes', required: true },
    {
      flags: '--scale <x>',
      description:
        "how much of the vector to add: 0.8, '[0.2, 1]' from first to last layer, or '{attention: 0.5, default: 1}'; default: 1 (repeatable: one for each --chat)",
      parse: scales,
    },
    {
      flags: '--sparsify <method:density>',
      description:
        'leave out most of the vector first: ties:0.2 keeps the largest entries, dare:0.2 random ones',
      parse: sparsification,
    },
    { flags: '--seed <n>', description: 'of --sparsify dare; default: 0', parse: integer },
    { flags: '--residual', description: 'scale the other difference: chat + scale * (target - base)' },
    {
      flags: '--threads <n>',
      description: 'that read, compute and write; default: one more than the machine has',
      parse: integer,
    },
    { flags: '--dry-run', description: 'check everything and print the plan, write nothing' },
    {
      flags: '--resume',
      description: 'go on where an interrupted graft stopped; keep the work if this one is interrupted',
    },
    { flags: '--overwrite', description: 'replace what is at --out' },
    JSON_OPTION,
  ],
  examples: [
    'graft --target llama-zh --base llama --chat llama-chat --out llama-zh-chat',
    'graft --target llama-zh --base llama --chat llama-chat --scale 0.8 --out llama-zh-chat --dry-run',
  ],
  async run(_args, values, io) {
    const { graft } = library()
    const options = {
      ...pick(values, ['target', 'out', 'residual', 'threads', 'overwrite', 'dryRun', 'resume']),
      vectors: vectorsOf(values),
      sparsify: sparsifyOf(values),
    }
    const result = await resumable((onKept) => graft(options, { ...listening(io, 'graft'), onKept }))
    io.progress.end()
    showGraft(io, result)
    return 0
  },
})

/** Also what `delta apply` prints. */
export function showGraft(io: Io, report: GraftReport): void {
  if (report.nonfinite) io.say(`${report.nonfinite} values of the result are infinite or not a number`)
  const { vocabulary, warnings: _, ...facts } = report // said already
  io.write(io.json ? jsonText(report) : factsText(facts) + vocabularyText(vocabulary))
}

function scales(text: string, flag: string, previous: unknown): Scale[] {
  return [...((previous as Scale[] | undefined) ?? []), parseYaml(text, flag) as Scale]
}

function sparsification(text: string, flag: string): Values['sparsify'] {
  const [, method, density] = /^(ties|dare):(.+)$/.exec(text) ?? []
  if (method === undefined)
    throw usageError(`${flag}: expected ties:DENSITY or dare:DENSITY, received '${text}'`)
  return { method: method as 'ties' | 'dare', density: Number(density) }
}

function sparsifyOf({ sparsify, seed }: Values) {
  if (sparsify === undefined && seed !== undefined)
    throw usageError('--seed: expected --sparsify dare:DENSITY beside it')
  return sparsify && { ...sparsify, seed }
}

/** One a --chat. */
function vectorsOf({ base, chat, scale = [] }: Values) {
  const each = (name: string, values: unknown[], i: number) => {
    if (values.length > 1 && values.length !== chat.length)
      throw usageError(
        `expected one ${name} or one for each of ${chat.length} --chat, received ${values.length}`,
      )
    return values[values.length === 1 ? 0 : i]
  }
  return chat.map((folder, i) => ({
    base: each('--base', base, i) as string,
    chat: folder,
    scale: each('--scale', scale, i) as Scale | undefined,
  }))
}
