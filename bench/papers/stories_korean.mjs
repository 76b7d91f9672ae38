// The Korean side of stories.mjs: 8,000 short questions and answers, of which every twentieth is kept for measuring.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const clone = fileURLToPath(new URL('../..', import.meta.url))
const folder = resolve(process.env.TONGUEFORGE_DATA ?? join(clone, '../shared/data'))
export const MODEL = join(folder, 'models/stories260K_hf')
const PAIRS = join(folder, 'instruct/chatbot_ko.jsonl')
const KEPT_EVERY = 20

/** What stories.mjs needs and does not find. */
export const missing = () => [MODEL, PAIRS].filter((path) => !existsSync(path))

/** `{texts, heldOut, questions}`: documents to train on, a question and an answer each for themselves; the others. */
export function korean() {
  const pairs = readFileSync(PAIRS, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const kept = pairs.filter((_, i) => i % KEPT_EVERY === 0)
  const turns = (list) => list.flatMap(({ instruction, output }) => [instruction, output])
  // Answers come again and again: one that was trained on measures nothing.
  const texts = turns(pairs.filter((_, i) => i % KEPT_EVERY !== 0))
  const known = new Set(texts)
  const heldOut = turns(kept).filter((text) => !known.has(text))
  return {
    texts,
    heldOut,
    questions: kept.map(({ instruction }) => instruction).filter((q) => !known.has(q)),
  }
}
