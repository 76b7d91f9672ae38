/**
 * Links in a model folder. Whatever they lead to is read where it is a regular file and is what its name promises: hub
 * caches are made of links. What is copied into a result is another matter, for results are given away: a link to a
 * private file, in a folder from someone else, must not carry that file along.
 */
import { basename, join, sep } from 'node:path'
import { TongueforgeError } from '../errors'
import { realpath } from '../files'
import { ioError } from './json_file'

/** Content of a model in the cache of a hub: `snapshots/REV/config.json` leads there, and so does `hf download --local-dir` of old. */
const HUB_BLOB = /\/(models|datasets|spaces)--[^/]+\/blobs\/[0-9a-f]{40}([0-9a-f]{24})?$/

/** What tokenizers and models are described by: taken from elsewhere where it has this name there too. */
const KNOWN = new Set([
  ...[
    'tokenizer.json',
    'generation_config.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'added_tokens.json',
  ],
  ...['chat_template.jinja', 'chat_template.json', 'vocab.json', 'vocab.txt', 'merges.txt'],
  ...['tokenizer.model', 'spiece.model', 'sentencepiece.bpe.model', 'preprocessor_config.json'],
  ...['processor_config.json', 'quantize_config.json'],
])

const TEMPLATE = /\.(jinja2?|j2)$/

/**
 * Whether a file of a model folder, which is there, may be copied into a result: it lies in the folder, in the cache of a
 * hub, or is a known file of a model under that name (a template under any name of one). Throws ERR_IO, ERR_NOT_FOUND.
 */
export async function mayBeCarried(folder: string, name: string): Promise<boolean> {
  const file = join(folder, name)
  const [home, target] = await Promise.all([realpath(folder), realpath(file)]).catch((error) => {
    throw ioError(file, error)
  })
  if (target.startsWith(home.endsWith(sep) ? home : home + sep) || HUB_BLOB.test(target)) return true
  if (name === 'config.json') return true // read and judged whenever a result is made: no other file passes for one
  return TEMPLATE.test(name) ? TEMPLATE.test(target) : KNOWN.has(name) && basename(target) === name
}

/**
 * Any text is a template, and the template of a chat model goes into results: a link from one to a file of another kind
 * is refused. Throws ERR_TOKENIZER.
 */
export async function checkTemplateLink(folder: string, name: string): Promise<void> {
  const target = await realpath(join(folder, name)).catch(() => undefined)
  if (target === undefined || (await mayBeCarried(folder, name))) return
  throw new TongueforgeError(
    'ERR_TOKENIZER',
    `${join(folder, name)}: expected a chat template, received a link to ${target}`,
    {
      hint: 'A link to a template elsewhere has to lead to a file of that kind (.jinja); else copy it here.',
      details: { file: join(folder, name), target },
    },
  )
}
