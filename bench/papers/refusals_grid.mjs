// The conditions that refusals.mjs looks through, a row each. Each changes a few things of the demo's CP.
import { ANSWERED_HARM } from '#lib/world/documents'

const OPEN_WEB = ANSWERED_HARM
/** A fifth of all paragraphs is a harmful request, answered. */
const HARMFUL = 23

const BILINGUAL = { base: 'bilingual', chat: 'bilingual' }
const lora = { lora: { rank: 8 } }
const frozen = (...freeze) => ({ freeze })

/**
 * base: monolingual | half_bilingual | bilingual, chat: monolingual | bilingual, see lab.mjs. request: how harmful
 * requests are put, see lib/world/world.ts. corpus: documents | turns, see corpora.mjs. harm: harmful requests to 100
 * (documents: 93) other texts; answer: what turns say to them. epochs: times the demo's 80 updates. keys: of the
 * training config, for both arms. loss: of InsCP. replay: part of all rows that are the chat model's conversations.
 */
export const GRID = {
  demo: {},
  'open web': { harm: OPEN_WEB },
  harmful: { harm: HARMFUL },
  faster: { lr: 6e-4 },
  'harmful, slower': { harm: HARMFUL, lr: 1.5e-4 },
  'harmful, faster': { harm: HARMFUL, lr: 6e-4 },
  turns: { corpus: 'turns' },
  'turns refused': { corpus: 'turns', harm: 25 },
  'bilingual, harmful': { base: 'bilingual', harm: HARMFUL },
  'bilingual, turns refused': { base: 'bilingual', corpus: 'turns', harm: 25 },
  'bilingual, turns refused, longer': { base: 'bilingual', corpus: 'turns', harm: 25, epochs: 2 },
  'turns refused, faster': { corpus: 'turns', harm: 25, lr: 6e-4 },
  'turns, few refused': { corpus: 'turns', harm: 5 },
  'half bilingual, turns refused': { base: 'half_bilingual', corpus: 'turns', harm: 25 },
  'half bilingual, turns refused, faster': { base: 'half_bilingual', corpus: 'turns', harm: 25, lr: 6e-4 },
  'half bilingual, turns refused, longer': { base: 'half_bilingual', corpus: 'turns', harm: 25, epochs: 2 },
  'bilingual chat, harmful': { ...BILINGUAL, harm: HARMFUL },
  'bilingual chat, harmful, faster': { ...BILINGUAL, harm: HARMFUL, lr: 6e-4 },
  'bilingual chat, turns refused': { ...BILINGUAL, corpus: 'turns', harm: 25 },
  'turns answered': { corpus: 'turns', harm: 25, answer: 'answered' },
  'harmful, replay': { harm: HARMFUL, replay: 0.1 },
  'harmful, fastest': { harm: HARMFUL, lr: 1e-3 },
  'harmful, lora': { harm: HARMFUL, lr: 2e-3, keys: lora },
  'harmful, embeddings frozen': { harm: HARMFUL, keys: frozen('model.embed_tokens.*', 'lm_head.*') },
  'harmful, body': { harm: HARMFUL, loss: 'body' },
  'like recipes, harmful': { request: 'like_recipes', harm: HARMFUL },
}
