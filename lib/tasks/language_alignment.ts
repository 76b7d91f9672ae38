/** In which language a model answers a sentence of another (InsCP, arXiv 2405.20175, section 4.2): records of `lang` and `text`. */
import { languageTag } from '../text/language/tag'
import { measures } from './measures/table'
import { textOf } from './records'
import type { Doc, GenerationTask } from './task'

export const LANGUAGE_ALIGNMENT: GenerationTask = {
  ...{ kind: 'generation', name: 'language_alignment', version: '1' },
  about: 'sentences of any languages: are answers in theirs',
  source: {
    folders: ['language_alignment', ''],
    files: ['language_alignment', 'tatoeba_parallel', 'corpus/tatoeba_parallel', 'udhr_all_langs'],
    columns: ['lang', 'text'],
  },
  split: 'test',
  conversation: (doc) => ({
    messages: [{ role: 'user', content: textOf(doc, 'text') }],
    language: languageOf(doc),
  }),
  partOf: languageOf,
  generation: { max_new_tokens: 128 },
  measures: measures('language_alignment', 'language_undetermined', 'stop_rate'),
}

function languageOf(doc: Doc): string {
  return languageTag(textOf(doc, 'lang'))
}
