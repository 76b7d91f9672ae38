/** tokenizer.json of any kind with more special tokens: no text without them is cut in another way. */
import type { JsonObject } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import { tokenizerJson } from '../bpe/tokenizer_json'
import { addedEntry, type NewSpecialToken } from '../special_tokens'
import { Tokenizer } from '../tokenizer'
import type { AddedEntry, Vocabulary } from './vocabulary'

/**
 * Whoever reads the file counts the tokens of the model to number added ones that it does not know, so all of them are
 * written into the model's table too, where it has one. Throws ERR_VOCABULARY should a token not come out with its id.
 */
export function withSpecialTokens(vocabulary: Vocabulary, special: readonly NewSpecialToken[]): string {
  const content = JSON.parse(vocabulary.json) as JsonObject & { model: JsonObject }
  const there = ((content.added_tokens ?? []) as AddedEntry[]).map((entry) => ({
    ...entry,
    id: vocabulary.ids.get(entry.content)!,
  }))
  const added_tokens = [...there, ...special.map(addedEntry)] as (AddedEntry & { id: number })[]
  const { model, ...around } = { ...content, added_tokens }
  const text = Array.isArray(model.vocab)
    ? `${JSON.stringify({ ...around, model }, null, 2)}\n`
    : tokenizerJson(around, model, tableWith(model.vocab as Record<string, number>, added_tokens))
  checkIds(text, vocabulary, special)
  return text
}

function tableWith(table: Record<string, number>, added: readonly (AddedEntry & { id: number })[]) {
  const all = new Map(Object.entries(table))
  for (const { content, id } of added) all.set(content, id)
  return all
}

function checkIds(text: string, { ids, file }: Vocabulary, special: readonly NewSpecialToken[]): void {
  const extended = Tokenizer.fromJson(text, file).vocabulary()
  const wanted = [...ids, ...special.map(({ content, id }) => [content, id] as const)]
  const wrong = wanted.find(([token, id]) => extended.get(token) !== id)
  if (wrong === undefined) return
  const [token, id] = wrong
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `${file}: expected id ${id} for ${JSON.stringify(token)} once it has ${special.length} more tokens, ` +
      `received ${extended.get(token) ?? 'none'}`,
    {
      hint: 'Its ids have gaps that its kind cannot keep. Add the chat tags to the target first: tongueforge vocab extend.',
      details: { file, token, id },
    },
  )
}
