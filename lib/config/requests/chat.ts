/** The body of /v1/chat/completions. */
import { z } from 'zod'
import { flag, IGNORED_FIELDS, ignored, refused, SAMPLING_FIELDS, wholeIn } from './fields'

const NO_TOOLS = 'this server calls no tools'
const ONLY_TEXT = 'expected text, or a list of {type: text, text} parts'

const part = z.strictObject({
  type: z.literal('text', { error: 'expected text, as the models here read nothing else' }),
  text: z.string({ error: 'expected text' }),
})

const message = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant'], {
    error: `expected system, developer, user or assistant (${NO_TOOLS})`,
  }),
  content: z.union([z.string(), z.array(part)], { error: ONLY_TEXT }),
  name: z.string({ error: 'expected a name' }).nullish(),
  // An answer may be sent back as it came.
  refusal: ignored(),
  annotations: ignored(),
  audio: refused('the models here read text only'),
  tool_calls: refused(NO_TOOLS, []),
  function_call: refused(NO_TOOLS),
})

export const chatSchema = z.strictObject({
  messages: z
    .array(message, { error: 'expected a list of messages' })
    .min(1, 'expected at least one message')
    .max(2048, 'expected at most 2048 messages')
    .describe(
      '`role`: system, developer (read as system), user, assistant; `content`: text, or a list of parts of `type: text`.',
    ),
  ...SAMPLING_FIELDS,
  max_completion_tokens: wholeIn(1, 2 ** 30).describe(
    'The longest answer, in tokens; default: as the context allows.',
  ),
  max_tokens: wholeIn(1, 2 ** 30).describe('The same under its old name.'),
  logprobs: flag().describe(
    'Log-probabilities of the new tokens: of the model itself, before temperature and filters.',
  ),
  top_logprobs: wholeIn(0, 20).describe('Of so many of the most probable tokens too; needs `logprobs`.'),
  tools: refused(NO_TOOLS, []).describe('Refused.'),
  tool_choice: refused(NO_TOOLS, 'none', 'auto').describe('Refused.'),
  parallel_tool_calls: ignored(),
  functions: refused(NO_TOOLS, []).describe('Refused.'),
  function_call: refused(NO_TOOLS, 'none', 'auto').describe('Refused.'),
  response_format: refused('answers are free text', { type: 'text' }).describe('Only `{type: text}`.'),
  modalities: refused('answers are text', ['text']).describe('Only `[text]`.'),
  audio: refused('answers are text').describe('Refused.'),
  prediction: refused('there is no use for one').describe('Refused.'),
  reasoning_effort: refused('models here know no effort', 'none').describe('Refused.'),
  verbosity: refused('say it in a message').describe('Refused.'),
  web_search_options: refused(NO_TOOLS).describe('Refused.'),
  ...IGNORED_FIELDS,
})

export type ChatRequest = z.infer<typeof chatSchema>
