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

/** The first choice counts; or a sample of an evaluation, `doc` and `turns`. Throws ERR_DATA. */
function answersIn(record: Doc): [id: string, turns: readonly string[]] {
  const { choices, doc, turns } = record
  if (choices === undefined && typeof doc === 'object' && doc !== null && Array.isArray(turns)) {
    const said = turns.map((turn: { text?: unknown } | null) => turn?.text)
    return [idOf(doc as Doc), texts(said, 'turns[].text').map((text) => text.trim())]
  }
  const [first] = Array.isArray(choices) ? choices : []
  return [idOf(record), texts(first?.turns, 'choices[0].turns')]
}

/** Of a file in the layout of FastChat, or of samples. Throws ERR_NOT_FOUND, ERR_DATA. */
export async function readAnswers(file: string, signal?: AbortSignal): Promise<Answers> {
  const answers = new Map<string, readonly string[]>()
  for await (const { record, line } of readJsonRecords(file, { signal })) {
    try {
      answers.set(...answersIn(record))
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
