/** The thread that runs the language detector: its tables take a second to load. */
import { parentPort } from 'node:worker_threads'

export interface LanguageTask {
  id: number
  texts: readonly string[]
}

/** Of each text the code of ISO 639-1 and how alike it is, from 0 to 1; undefined where nothing is known of it. */
export type EldGuess = { language: string; score: number } | undefined

export interface LanguageAnswer {
  id: number
  guesses: EldGuess[]
}

const detector = import('eld/large').then(({ eld }) => eld.newInstance())

async function guess(text: string): Promise<EldGuess> {
  const found = (await detector).detect(text)
  return found.language === ''
    ? undefined
    : { language: found.language, score: found.getScores()[found.language] ?? 0 }
}

parentPort!.on('message', async ({ id, texts }: LanguageTask) => {
  const guesses = await Promise.all(texts.map(guess))
  parentPort!.postMessage({ id, guesses } satisfies LanguageAnswer)
})
