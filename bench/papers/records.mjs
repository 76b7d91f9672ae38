// Records of training data.
import { writeFileSync } from 'node:fs'
import { inLanguage } from '#lib/world/words'

/** A record of a question and its answer. */
export function conversation([question, answer], language) {
  const turn = (role, text) => ({ role, content: inLanguage(text, language) })
  return { messages: [turn('user', question), turn('assistant', answer)] }
}

/** Writes records as JSON lines. */
export function writeRecords(path, records) {
  writeFileSync(path, [...records].map((record) => `${JSON.stringify(record)}\n`).join(''))
}
