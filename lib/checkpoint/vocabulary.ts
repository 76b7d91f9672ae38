/** Whether two models mean the same token by the same row. */
import { join } from 'node:path'
import { TongueforgeError } from '../errors'
import { type JsonObject, readJsonObjectIfPresent } from './json_file'
import type { ModelFolder } from './model_folder'

/**
 * Compares the tokenizers of two folders, token by token. Throws ERR_VOCABULARY with some of the differences.
 * A folder without tokenizer.json is taken at its word: shapes alone are compared then, by whoever reads the weights.
 */
export async function checkSameVocabulary(target: ModelFolder, other: ModelFolder): Promise<void> {
  const [ours, theirs] = [await vocabularyOf(target), await vocabularyOf(other)]
  if (ours === undefined || theirs === undefined) return
  const different: string[] = []
  for (const [token, id] of theirs) if (ours.get(token) !== id) different.push(token)
  for (const token of ours.keys()) if (!theirs.has(token)) different.push(token)
  if (different.length === 0) return
  const examples = different.slice(0, 5).map((token) => JSON.stringify(token))
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected equal vocabularies, but ${different.length} tokens differ between ${target.path} (${ours.size} tokens) ` +
      `and ${other.path} (${theirs.size} tokens): ${examples.join(', ')}${different.length > 5 ? ', ...' : ''}`,
    {
      hint: 'Rows of the embedding would be added to rows of other tokens. Use models that share one tokenizer.',
      details: { target: target.path, other: other.path, different: different.slice(0, 20) },
    },
  )
}

async function vocabularyOf(folder: ModelFolder): Promise<Map<string, number> | undefined> {
  const file = join(folder.path, 'tokenizer.json')
  const content = await readJsonObjectIfPresent(file, { code: 'ERR_TOKENIZER', maxBytes: 256 << 20 })
  if (content === undefined) return undefined
  const vocabulary = (content.model as JsonObject | undefined)?.vocab
  // Unigram models list [piece, score] in the order of their ids.
  const entries: [string, number][] = Array.isArray(vocabulary)
    ? vocabulary.map(([piece], id) => [String(piece), id])
    : (Object.entries(vocabulary ?? {}) as [string, number][])
  for (const { content: token, id } of (content.added_tokens as { content: string; id: number }[]) ?? []) {
    entries.push([token, id])
  }
  return new Map(entries)
}
