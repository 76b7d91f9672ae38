/** What the scorers of the config say of each answer. */
import { configError } from '../../config/parse'
import type { Scored, ScorerConfig } from '../../config/scorers'
import type { Findings } from '../../tasks/generation'
import { kindOf } from '../scoring/kinds'
import type { FindContext, Finder, Unmeasured } from './findings'

export const scoreFinder = (name: Scored): Finder => ({
  async check({ task, config, signal }, file) {
    const scorer = config.scorers[name]
    const key = `scorers.${name}`
    if (scorer === undefined)
      throw configError(file, `${key}: expected a scorer, as ${task.name} needs it, received nothing`, {
        hint: 'A classifier, an endpoint or a list of words: docs/generation_tasks.md#scorers.',
        key,
      })
    await kindOf(scorer).check({ name, scorer, config, signal })
  },
  identity({ config, signal }) {
    const scorer = config.scorers[name]!
    return kindOf(scorer).identity({ name, scorer, config, signal })
  },
  find: (documents, context) => findScores(documents, context, name, context.config.scorers[name]!),
})

/** Answers without a word are not asked about. */
async function findScores(
  documents: readonly Unmeasured[],
  { config, signal, onProgress, onWarning }: FindContext,
  name: Scored,
  given: ScorerConfig,
): Promise<Findings[]> {
  const all = documents.flatMap(({ conversation, turns }) =>
    turns.map(({ text }) => (hasWords(text) ? `${conversation.scored_behind ?? ''}${text}` : undefined)),
  )
  const asked = all.filter((text) => text !== undefined)
  const scorer = await kindOf(given).open({ name, scorer: given, config, signal })
  const callbacks = {
    ...{ signal, onWarning },
    onProgress: (progress: { done: number; total: number }) => onProgress?.(name, progress),
  }
  try {
    const scores = asked.length === 0 ? [] : await scorer.score(asked, callbacks)
    let next = 0
    const ofAll = all.map((text) => (text === undefined ? null : scores[next++]!))
    let begin = 0
    return documents.map(({ turns }) => {
      const own = ofAll.slice(begin, begin + turns.length)
      begin += turns.length
      return { scores: { [name]: own } }
    })
  } finally {
    await scorer.dispose?.()
  }
}

const hasWords = (text: string) => /[\p{L}\p{N}]/u.test(text)
