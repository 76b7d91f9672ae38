/** The tokenizer.json files of the models of a chat vector, each read once. */
import { join } from 'node:path'
import { readTextFileIfPresent } from '../../checkpoint/json_file'
import type { ModelFolder } from '../../checkpoint/model_folder'
import { TongueforgeError } from '../../errors'
import { Vocabulary } from './vocabulary'

/** A model folder, and the rows of its embedding. */
export interface EmbeddingOf {
  folder: ModelFolder
  rows: number
}

/** The content of its tokenizer.json, where it has one. Throws ERR_TOKENIZER. */
export const tokenizerOf = ({ folder }: EmbeddingOf) =>
  readTextFileIfPresent(join(folder.path, 'tokenizer.json'), {
    code: 'ERR_TOKENIZER',
    maxBytes: 256 * 2 ** 20,
  })

/** The paths of those that have none. */
export function withoutTokenizer(models: readonly EmbeddingOf[], texts: readonly (string | undefined)[]) {
  const without = models.filter((_, i) => texts[i] === undefined).map(({ folder }) => folder.path)
  return without.length === 0 ? {} : { on_trust: [...new Set(without)] }
}

/**
 * One vocabulary for all models of one tokenizer.json; for those without, that of the target, which is the first, or else
 * the first that there is. Throws ERR_VOCABULARY where one would have to be guessed, and what Vocabulary.of throws.
 */
export async function vocabulariesOf(
  models: readonly EmbeddingOf[],
  texts: readonly (string | undefined)[],
): Promise<Vocabulary[]> {
  const [target] = models
  const guessed = models.find(
    ({ rows }, i) => rows !== target!.rows && (texts[0] === undefined || texts[i] === undefined),
  )
  if (guessed) throw notTold(texts[0] === undefined ? target! : guessed, guessed.rows, target!.rows)
  const other = texts.find((text) => text !== undefined)!
  const made = new Map<string, Vocabulary>()
  for (const [i, { folder }] of models.entries()) {
    const text = texts[i]
    if (text !== undefined && !made.has(text))
      made.set(text, await Vocabulary.of(text, join(folder.path, 'tokenizer.json')))
  }
  return texts.map((text) => made.get(text ?? other)!)
}

/** Of a target without tokenizer.json, where the others have different ones. */
export function whoseRows({ folder }: EmbeddingOf, known: readonly Vocabulary[]): TongueforgeError {
  const files = [...new Set(known.map(({ file }) => file))].join(' and ')
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `${folder.path}: expected tokenizer.json, found none: whose tokens its rows are cannot be told, as ${files} differ`,
    {
      hint: 'Copy tokenizer.json of the original model into the folder: rows are matched by their tokens.',
      details: { path: folder.path },
    },
  )
}

function notTold({ folder }: EmbeddingOf, rows: number, wanted: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `${folder.path}: expected tokenizer.json, found none: ${rows} rows cannot be told apart from the target's ${wanted}`,
    {
      hint: 'Copy tokenizer.json of the original model into the folder: rows are matched by their tokens.',
      details: { path: folder.path, rows, target_rows: wanted },
    },
  )
}
