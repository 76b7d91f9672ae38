/** Texts and token ids as requests give them. */

export type Texts = string | string[] | number[] | number[][]

export const isIds = (one: string | number[]): one is number[] => typeof one !== 'string'

/** One or many, as a list: numbers in a row are the ids of one text. */
export function listOf(texts: Texts): (string | number[])[] {
  if (typeof texts === 'string') return [texts]
  return typeof texts[0] === 'number' ? [texts as number[]] : (texts as string[] | number[][])
}
