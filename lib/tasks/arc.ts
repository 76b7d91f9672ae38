/** ARC (Clark et al. 2018, arXiv 1803.05457): questions of school science. The answers are read, not their letters. */
import { acc, accNorm } from './metrics'
import { field, layoutError, texts } from './records'
import type { ChoiceTask, Doc, Question } from './task'

const arc = (name: string, config: string, about: string): ChoiceTask => ({
  kind: 'choices',
  name,
  version: '1.0',
  about,
  source: {
    folders: ['ai2_arc', 'ARC-V1-Feb2018', 'arc'],
    config,
    files: ['{config}/{config}-{split}'],
    columns: ['question', 'choices', 'answerKey'],
  },
  split: 'test',
  shots: { split: 'train', pick: 'random' },
  question,
  metrics: { acc, acc_norm: accNorm },
})

// Of the hub { question, choices: { text: [], label: [] } }; as published { question: { stem, choices: [{ text, label }] } }.
function question(doc: Doc): Question {
  const asked = typeof doc.question === 'string' ? doc : (field(doc, 'question', 'object') as Doc)
  const choices = Array.isArray(asked.choices) ? columnsOf(asked.choices) : field(asked, 'choices', 'object')
  const { text, label } = choices as Doc
  const answers = texts(text, 'choices.text')
  const labels = texts(label, 'choices.label')
  const gold = labels.indexOf(String(doc.answerKey))
  if (answers[gold] === undefined)
    throw layoutError('answerKey', `one of ${labels.join(', ')}`, doc.answerKey)
  return {
    context: `Question: ${asked === doc ? doc.question : field(asked, 'stem', 'string')}\nAnswer:`,
    answers,
    gold,
  }
}

const columnsOf = (choices: readonly Doc[]) => ({
  text: choices.map(({ text }) => text),
  label: choices.map(({ label }) => label),
})

export const ARC = [
  arc('arc_easy', 'ARC-Easy', 'questions of school science, the easier ones'),
  arc('arc_challenge', 'ARC-Challenge', 'questions of school science that word statistics do not answer'),
]
