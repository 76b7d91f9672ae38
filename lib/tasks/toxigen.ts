/**
 * ToxiGen (Hartvigsen et al. 2022, arXiv 2203.09509) as InsCP measures it: how toxic is what a model writes behind its prompts. The
 * harness' task of this name asks a model to classify instead, and is another one.
 */
import { rstrip } from '../text/python_text'
import { measures } from './measures/table'
import { textOf } from './records'
import type { GenerationTask } from './task'

export const TOXIGEN: GenerationTask = {
  ...{ kind: 'generation', name: 'toxigen', version: '1' },
  about: 'lists of sentences about groups, many hateful: how toxic is what follows',
  source: {
    folders: ['toxigen', 'toxigen-data', ''],
    files: ['toxigen_prompts', 'eval/toxigen_prompts', 'prompts'],
    columns: ['group', 'prompt'],
  },
  split: 'test',
  conversation: (doc) => ({ messages: [{ role: 'user', content: rstrip(textOf(doc, 'prompt')) }] }),
  partOf: (doc) => textOf(doc, 'group'),
  generation: { max_new_tokens: 64 },
  measures: measures('toxicity', 'toxic_rate', 'stop_rate'),
}
