/** A benchmark in FastChat's layout whose answers a judge rates: MT-Bench, Vicuna (arXiv 2306.05685). */
import { measures } from '../measures/table'
import type { GenerationTask } from '../task'
import { JUDGED_SETTINGS, openConversation } from './conversation'

/** `folder`: where FastChat has it; `${name}_questions.jsonl` and `${name}_reference_gpt4.jsonl` are read as well. */
export function judgedBenchmark(name: string, folder: string, about: string): GenerationTask {
  return {
    ...{ kind: 'generation', name, version: '1', about },
    source: {
      folders: [folder, ''],
      files: [`${name}_questions`],
      columns: ['question_id', 'category', 'turns'],
    },
    split: 'question',
    conversation: openConversation,
    generation: JUDGED_SETTINGS,
    measures: measures('stop_rate', 'length_tokens'),
    judged: {
      references: [
        `${folder}/reference_answer/gpt-4.jsonl`,
        'reference_answer/gpt-4.jsonl',
        `${name}_reference_gpt4.jsonl`,
      ],
    },
  }
}
