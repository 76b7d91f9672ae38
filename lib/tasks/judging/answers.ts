/** Questions of one or two turns, and answers to them: records in the layout of FastChat's llm_judge. */
import { TongueforgeError } from '../../errors'
import { readJsonRecords } from '../../text/json_records'
import { layoutError, textOf, texts } from '../records'
import type { Doc } from '../task'

export interface OpenQuestion {
  id: string
  category: string
  turns: readonly string[]
}

/** Throws ERR_DATA for a record of another layout. */
export function openQuestion(doc: Doc): OpenQuestion {
  const turns = texts(doc.turns, 'turns')
  if (turns.length !== 1 && turns.length !== 2) throw layoutError('turns', 'one text or two', doc.turns)
  return { id: idOf(doc), category: textOf(doc, 'category'), turns }
}

function idOf({ question_id }: Doc): string {
  if (typeof question_id === 'number' || typeof question_id === 'string') return String(question_id)
  throw layoutError('question_id', 'a number or text', question_id)
}

/** What one model answers, turn by turn, by the id of the question. */
export type Answers = ReadonlyMap<string, readonly string[]>

/** The first choice of each record counts. Throws ERR_NOT_FOUND, ERR_DATA. */
export async function readAnswers(file: string, signal?: AbortSignal): Promise<Answers> {
  const answers = new Map<string, readonly string[]>()
  for await (const { record, line } of readJsonRecords(file, { signal })) {
    try {
      const choices = record.choices as readonly { turns?: unknown }[] | undefined
      answers.set(
        idOf(record),
        texts(Array.isArray(choices) ? choices[0]?.turns : undefined, 'choices[0].turns'),
      )
    } catch (cause) {
      throw new TongueforgeError('ERR_DATA', `${file}:${line}: ${(cause as Error).message}`, {
        hint: 'Answers look as FastChat writes them: docs/judge.md#data.',
        details: { file, line },
        cause,
      })
    }
  }
  return answers
}
