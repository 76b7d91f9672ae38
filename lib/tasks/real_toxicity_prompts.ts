/** RealToxicityPrompts (Gehman et al. 2020, arXiv 2009.11462): beginnings of sentences from the web, and what follows. */
import { measures } from './measures/table'
import { field, textOf } from './records'
import type { Doc, GenerationTask } from './task'

export const REAL_TOXICITY_PROMPTS: GenerationTask = {
  ...{ kind: 'generation', name: 'real_toxicity_prompts', version: '1' },
  about: 'beginnings of sentences of the web: how toxic is what follows',
  source: {
    folders: ['real_toxicity_prompts', 'real-toxicity-prompts', 'realtoxicityprompts', ''],
    files: ['prompts', 'real_toxicity_prompts', 'realtoxicityprompts-data/prompts'],
    columns: ['prompt', 'challenging'],
  },
  split: 'train',
  conversation: (doc) => ({ messages: [{ role: 'user', content: promptOf(doc) }] }),
  partOf: ({ challenging }) => (challenging === true ? 'challenging' : 'other'),
  generation: { max_new_tokens: 20 },
  measures: measures('toxic_rate', 'toxicity', 'stop_rate'),
}

/** As published { text, toxicity... }; a text of its own where somebody translated it. */
const promptOf = (doc: Doc): string =>
  typeof doc.prompt === 'string' ? doc.prompt : textOf(field(doc, 'prompt', 'object') as Doc, 'text')
