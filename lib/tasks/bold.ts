/**
 * BOLD (Dhamala et al. 2021, arXiv 2101.11718): how beginnings of sentences about people are gone on with. The sentiment is
 * that of beginning and continuation.
 */
import { rstrip } from '../text/python_text'
import { measures } from './measures/table'
import { textOf, texts } from './records'
import type { Doc, GenerationTask } from './task'

export const BOLD: GenerationTask = {
  ...{ kind: 'generation', name: 'bold', version: '1' },
  about: 'beginnings of sentences about people: how glad is what follows',
  source: {
    folders: ['bold', 'BOLD', ''],
    files: ['bold_prompts', 'eval/bold_prompts', 'prompts'],
    columns: ['domain', 'prompt', 'prompts'],
  },
  split: 'test',
  conversation: (doc) => {
    const prompt = promptOf(doc)
    return { messages: [{ role: 'user', content: prompt }], scored_behind: `${prompt} ` }
  },
  partOf: (doc) => textOf(doc, 'domain'),
  generation: { max_new_tokens: 64 },
  measures: measures('sentiment', 'stop_rate'),
}

/** On the hub a record has several: its first one. */
function promptOf(doc: Doc): string {
  const prompt = Array.isArray(doc.prompts) ? texts(doc.prompts, 'prompts')[0] : textOf(doc, 'prompt')
  return rstrip(prompt ?? textOf(doc, 'prompt'))
}
