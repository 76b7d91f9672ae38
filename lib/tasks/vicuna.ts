/** The Vicuna benchmark: instructions in one turn, whose answers a judge rates. */
import { JUDGED_SETTINGS, openConversation } from './judging/conversation'
import { measures } from './measures/table'
import type { GenerationTask } from './task'

export const VICUNA: GenerationTask = {
  ...{ kind: 'generation', name: 'vicuna', version: '1' },
  about: 'instructions in one turn, of nine categories, rated by a judge',
  source: {
    folders: ['vicuna_bench', ''],
    files: ['vicuna_questions'],
    columns: ['question_id', 'category', 'turns'],
  },
  split: 'question',
  conversation: openConversation,
  generation: JUDGED_SETTINGS,
  measures: measures('stop_rate', 'length_tokens'),
  judged: {
    references: [
      'vicuna_bench/reference_answer/gpt-4.jsonl',
      'reference_answer/gpt-4.jsonl',
      'vicuna_reference_gpt4.jsonl',
    ],
  },
}
