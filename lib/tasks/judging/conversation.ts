/** How a model is asked the questions that a judge looks at: turn by turn, at a temperature of their category. */
import type { Conversation, GenerationSettings } from '../generation'
import type { Doc } from '../task'
import { openQuestion } from './answers'

/** FastChat's; below it, a category that is not here has the last. */
const TEMPERATURES: Readonly<Record<string, number>> = {
  ...{ writing: 0.7, roleplay: 0.7 },
  ...{ extraction: 0, math: 0, coding: 0, reasoning: 0 },
  ...{ stem: 0.1, humanities: 0.1 },
}
const OTHERS = 0.7

/** FastChat's limit. */
export const JUDGED_SETTINGS: Partial<GenerationSettings> = { max_new_tokens: 1024 }

export const settingsOfCategory = (category: string): Partial<GenerationSettings> => ({
  temperature: Object.hasOwn(TEMPERATURES, category) ? TEMPERATURES[category]! : OTHERS,
})

/** Throws ERR_DATA for a record of another layout. */
export function openConversation(doc: Doc): Conversation {
  const { category, turns } = openQuestion(doc)
  const [first, ...later] = turns as [string, ...string[]]
  return {
    messages: [{ role: 'user', content: first }],
    later,
    generation: settingsOfCategory(category),
  }
}
