/**
 * Answers on the disk as soon as a task has all of them, before they are measured: what writes them takes hours, and
 * measuring them another way, or again after a scorer failed, does not need the model. Until then: partial_answers.ts.
 */
import { dirname, join } from 'node:path'
import { readLines } from '../../text/lines'
import { mkdir, replaceFile } from '../../writes'
import type { Turn } from './answer'

export const answersFile = (folder: string, model: string, task: string) =>
  join(folder, 'answers', model, `answers_${task}.jsonl`)

/** Where answers lie, and the hash of what decides them. */
export interface KeptAnswers {
  file: string
  hash: string
}

/** Of each document its turns; undefined where there are none of this hash. */
export async function readAnswers({ file, hash }: KeptAnswers): Promise<Turn[][] | undefined> {
  const all: Turn[][] = []
  let whole: number | undefined
  try {
    for await (const { text } of readLines(file, { maxBytes: Number.POSITIVE_INFINITY })) {
      const read = JSON.parse(text)
      if (whole === undefined) {
        if (read.answers_sha256 !== hash) return undefined
        whole = read.documents
      } else all.push(read.turns)
    }
  } catch {
    return undefined // not there, or spoilt: they are written again
  }
  return all.length === whole ? all : undefined
}

/** Whole or not at all. Throws ERR_IO, ERR_NO_SPACE. */
export async function writeAnswers({ file, hash }: KeptAnswers, turns: readonly Turn[][]): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const lines = [
    { answers_sha256: hash, documents: turns.length },
    ...turns.map((of, doc_id) => ({ doc_id, turns: of })),
  ]
  await replaceFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}
