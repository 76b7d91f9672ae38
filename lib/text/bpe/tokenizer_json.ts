/** tokenizer.json as text, of a tokenizer whose tokens stand in a table. */
import type { JsonObject } from '../../checkpoint/json_file'

export interface BpeModel extends JsonObject {
  merges: readonly (string | readonly [left: string, right: string])[]
}

const HOLDER = '"vocab-stands-here"'

/**
 * `content` around `model`, which gets its vocabulary here: in the order of ids, which an object of JavaScript would not
 * keep for tokens such as "7".
 */
export function tokenizerJson(
  content: JsonObject,
  model: JsonObject,
  vocabulary: Iterable<readonly [token: string, id: number]>,
): string {
  const rows = [...vocabulary].sort((a, b) => a[1] - b[1])
  const text = rows.map(([token, id]) => `      ${JSON.stringify(token)}: ${id}`).join(',\n')
  const held = { ...content, model: { ...model, vocab: JSON.parse(HOLDER) } }
  return `${JSON.stringify(held, null, 2).replace(HOLDER, () => `{\n${text}\n    }`)}\n`
}
