/** Special tokens that a tokenizer.json gets behind its own. */
import type { JsonObject } from '../checkpoint/json_file'

export interface NewSpecialToken {
  id: number
  content: string
  /** Where they differ from SPECIAL_FLAGS. */
  flags?: Partial<typeof SPECIAL_FLAGS> | undefined
}

/** What added_tokens says of a tag that stands for nothing but itself. */
export const SPECIAL_FLAGS = {
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
}

/** Its entry in added_tokens. */
export const addedEntry = ({ id, content, flags }: NewSpecialToken): JsonObject => ({
  id,
  content,
  ...SPECIAL_FLAGS,
  ...flags,
})
