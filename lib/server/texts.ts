/** Texts and token ids as requests give them. */
import { join } from 'node:path'
import { access } from '../files'
import type { ModelText } from '../text/model_text'
import type { Encoder } from '../verbs/encoder'
import type { Model } from '../verbs/model'
import { RequestError } from './errors'

export type Texts = string | string[] | number[] | number[][]

export const isIds = (one: string | number[]): one is number[] => typeof one !== 'string'

/** One or many, as a list: numbers in a row are the ids of one text. */
export function listOf(texts: Texts): (string | number[])[] {
  if (typeof texts === 'string') return [texts]
  return typeof texts[0] === 'number' ? [texts as number[]] : (texts as string[] | number[][])
}

/** Tokenizer and template. Throws RequestError where the folder has no tokenizer; `otherwise`: what that means for the route. */
export async function textOf(name: string, model: Model | Encoder, otherwise: string): Promise<ModelText> {
  try {
    return await model.text()
  } catch (error) {
    if (await isThere(join(model.files.path, 'tokenizer.json'))) throw error
    throw new RequestError(`model: '${name}' has no tokenizer: ${otherwise}`, {
      status: 400,
      code: 'unsupported_model',
      param: 'model',
    })
  }
}

const isThere = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  )
