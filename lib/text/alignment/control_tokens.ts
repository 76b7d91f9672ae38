/** The tokens of a chat model that its conversations need, and that the target of a chat vector lacks. */
import type { ModelFolder } from '../../checkpoint/model_folder'
import { TongueforgeError } from '../../errors'
import type { ChatTemplate, Message } from '../chat_template'
import { loadModelText } from '../model_text'
import type { AddedEntry, Vocabulary } from './vocabulary'

/** A vocabulary, and how many rows the embedding of its model has: less or more than tokens. */
export interface Rows {
  vocabulary: Vocabulary
  rows: number
}

/** A row that comes from the chat model. */
export interface Addition {
  /** Row of the result. */
  id: number
  content: string
  chatRow: number
  /** Whether tokenizer.json of the target lacks the token; else it has it and only the row was missing. */
  isNew: boolean
  entry: AddedEntry
}

export interface ControlTokens {
  additions: Addition[]
  /** Added tokens of the chat model that the target lacks and goes on to lack, by id of the chat model. */
  notAdded: string[]
}

/** What a chat model uses, asked by token. */
export interface UsedTokens {
  /** Ids that begin or end its texts. */
  ids: ReadonlySet<number>
  /** Sources of its templates, and a conversation written by them. */
  text: string
}

/**
 * Of the added tokens that the target has no row for, those that begin or end a text of the chat model, and the special
 * ones that its template writes. Their ids follow the target's last one, in the order of the chat model's; an ordinary
 * token of the target that is written like one becomes it.
 */
export function controlTokens(target: Rows, chat: Rows, used: UsedTokens): ControlTokens {
  const additions: Addition[] = []
  const notAdded: string[] = []
  const { ids, size } = target.vocabulary
  let next = size
  for (const entry of byId(chat.vocabulary)) {
    const { content } = entry
    const chatRow = chat.vocabulary.ids.get(content)!
    const there = target.vocabulary.find(content, chat.vocabulary)
    if (there !== undefined && there < target.rows) continue
    const isUsed = used.ids.has(chatRow) || (entry.special && used.text.includes(content))
    if (isUsed && chatRow < chat.rows)
      additions.push({ id: ids.get(content) ?? next++, content, chatRow, isNew: there === undefined, entry })
    else if (there === undefined) notAdded.push(content)
  }
  return { additions, notAdded }
}

function byId({ added, ids }: Vocabulary): AddedEntry[] {
  return [...added.values()]
    .filter(({ content }) => content !== '' && ids.has(content))
    .sort((a, b) => ids.get(a.content)! - ids.get(b.content)!)
}

/** Reads off a chat model's folder what it uses. Throws ERR_TOKENIZER, ERR_TEMPLATE. */
export async function usedTokens(chat: ModelFolder): Promise<UsedTokens> {
  const { template, stopIds, bosTokenId } = await loadModelText(chat)
  const ids = new Set(stopIds)
  if (bosTokenId !== undefined) ids.add(bosTokenId)
  const sources = [...chat.tokenizer.chatTemplates.values()]
  return { ids, text: [...sources, ...(template ? conversations(template) : [])].join('\n') }
}

const QUESTION: Message = { role: 'user', content: 'X' }
const ANSWER: Message = { role: 'assistant', content: 'X' }
const CONVERSATIONS: readonly (readonly Message[])[] = [
  [QUESTION, ANSWER, QUESTION],
  [{ role: 'system', content: 'X' }, QUESTION, ANSWER, QUESTION],
]

/** Many templates put a tag together from the name of a role, so it stands in no source. Some know no system. */
function conversations(template: ChatTemplate): string[] {
  return CONVERSATIONS.flatMap((messages) => {
    try {
      return [template.render(messages, { addGenerationPrompt: true })]
    } catch (error) {
      if (error instanceof TongueforgeError && error.code === 'ERR_TEMPLATE') return []
      throw error
    }
  })
}
