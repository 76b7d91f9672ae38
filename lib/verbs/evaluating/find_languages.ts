/** The languages of answers, and the one that was expected where the task does not say: that of the prompt. */

import { recordInput } from '../../checkpoint/provenance'
import type { Conversation, Findings } from '../../tasks/generation'
import { languageByLetters } from '../../text/language/alphabets'
import type { FoundLanguage } from '../../text/language/matching'
import { UNDETERMINED } from '../../text/language/tag'
import { type LanguageIdentifier, loadLanguageIdentifier } from '../language'
import type { FindContext, Finder, FinderIdentity, Unmeasured } from './findings'

/** Fewer letters tell no language: "Paris" is an answer in many. Of scripts that write words in few signs, fewer. */
const LEAST_LETTERS = 8
const LEAST_SIGNS = 2

export const LANGUAGE_FINDER: Finder = { identity: languageIdentity, find: findLanguages }

/** The detector that comes along is part of this version. */
async function languageIdentity({ task, config, signal }: FindContext): Promise<FinderIdentity> {
  const { language_model: file } = config
  if (file === undefined || task.alphabets !== undefined) return { identity: { detector: 'own' }, inputs: [] }
  const input = await recordInput('language_model', file, [], signal)
  return { identity: { detector: input.files[0]!.sha256 }, inputs: [input] }
}

async function findLanguages(
  documents: readonly Unmeasured[],
  { task, config, signal }: FindContext,
): Promise<Findings[]> {
  const { alphabets } = task
  if (alphabets !== undefined)
    return findingsOf(documents, async (texts) =>
      texts.map((text) => ({ language: languageByLetters(text, alphabets) })),
    )
  await using identifier = await loadLanguageIdentifier({ model: config.language_model, signal })
  return findingsOf(documents, (texts) => identified(identifier, texts, signal))
}

type Identify = (texts: readonly string[]) => Promise<FoundLanguage[]>

async function findingsOf(documents: readonly Unmeasured[], identify: Identify): Promise<Findings[]> {
  const answers = await identify(documents.flatMap(({ turns }) => turns.map(({ text }) => text)))
  const unsaid = documents.filter(({ conversation }) => conversation.language === undefined)
  const asked = await identify(unsaid.map(({ conversation }) => question(conversation)))
  const prompts = new Map(unsaid.map((document, i) => [document, asked[i]!.language]))
  let next = 0
  return documents.map((document) => {
    const expected = document.conversation.language ?? prompts.get(document)!
    const begin = next
    next += document.turns.length
    return {
      ...(expected !== UNDETERMINED && { expected }),
      languages: answers.slice(begin, next),
    }
  })
}

/** What is answered first. */
const question = ({ messages }: Conversation): string => messages.at(-1)!.content

async function identified(
  identifier: LanguageIdentifier,
  texts: readonly string[],
  signal: AbortSignal | undefined,
): Promise<FoundLanguage[]> {
  const all = await identifier.identify(texts, { signal })
  return all.map(({ language, script }, i) => ({
    language: tellsLanguage(texts[i]!) ? language : UNDETERMINED,
    script,
  }))
}

const SIGNS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu

function tellsLanguage(text: string): boolean {
  const signs = text.match(SIGNS)?.length ?? 0
  const letters = text.match(/\p{L}/gu)?.length ?? 0
  return signs >= LEAST_SIGNS || letters >= LEAST_LETTERS
}
