/** MT-Bench: instructions in two turns, whose answers a judge rates (arXiv 2306.05685). */
import { JUDGED_SETTINGS, openConversation } from './judging/conversation'
import { measures } from './measures/table'
import type { GenerationTask } from './task'

export const MT_BENCH: GenerationTask = {
  ...{ kind: 'generation', name: 'mt_bench', version: '1' },
  about: 'instructions in two turns, of eight categories, rated by a judge',
  source: {
    folders: ['mt_bench', ''],
    files: ['mt_bench_questions'],
    columns: ['question_id', 'category', 'turns'],
  },
  split: 'question',
  conversation: openConversation,
  generation: JUDGED_SETTINGS,
  measures: measures('stop_rate', 'length_tokens'),
  judged: {
    references: [
      'mt_bench/reference_answer/gpt-4.jsonl',
      'reference_answer/gpt-4.jsonl',
      'mt_bench_reference_gpt4.jsonl',
    ],
  },
}
