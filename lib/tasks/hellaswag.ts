/** HellaSwag (Zellers et al. 2019, arXiv 1905.07830): which ending follows, of four. */
import { capitalize, strip } from '../text/python_text'
import { acc, accNorm } from './metrics'
import { placeOf, textOf, texts } from './records'
import type { ChoiceTask, Doc, Question } from './task'

export const HELLASWAG: ChoiceTask = {
  kind: 'choices',
  name: 'hellaswag',
  version: '1.0',
  about: 'which of four endings follows a scene',
  source: {
    folders: ['hellaswag'],
    files: ['hellaswag_{split}'],
    columns: ['ind', 'activity_label', 'ctx_a', 'ctx_b', 'endings', 'source_id', 'label'],
  },
  split: 'validation',
  shots: { split: 'train', pick: 'random', without_self: true },
  question,
  metrics: { acc, acc_norm: accNorm },
}

function question(doc: Doc): Question {
  const scene = `${textOf(doc, 'ctx_a')} ${capitalize(textOf(doc, 'ctx_b'))}`
  const answers = texts(doc.endings, 'endings').map(cleaned)
  return {
    context: cleaned(`${textOf(doc, 'activity_label')}: ${scene}`),
    answers,
    gold: placeOf(doc, 'label', 0, answers.length - 1),
  }
}

/** Without the marks that WikiHow's pages left: `[title]`, `[step]`, and the blank that goes with them, one time. */
function cleaned(text: string): string {
  return strip(text)
    .replaceAll(' [title]', '. ')
    .replaceAll(/\[[^\n]*?\]/g, '')
    .replaceAll('  ', ' ')
}
