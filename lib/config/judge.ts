/** Who judges answers to open questions, and how. */
import { z } from 'zod'
import { count, oneOf, positive, text } from './checks'

/** Node's fetch waits no longer for a reply to begin. */
export const MOST_SECONDS = 300

export const judgeSchema = z
  .strictObject({
    model: text().describe('Name of the judge, as its endpoint knows it.'),
    url: z
      .url({ protocol: /^https?$/, error: 'expected an address that begins with http:// or https://' })
      .default('https://api.openai.com/v1')
      .describe('Of an OpenAI-compatible endpoint: what stands before /chat/completions.'),
    api_key_env: text()
      .optional()
      .describe('Environment variable that holds the key; default: OPENAI_API_KEY, where it is set.'),
    mode: oneOf(['single', 'pairwise'])
      .default('single')
      .describe('Rate each answer from 1 to 10; or say which of two answers is better, in both orders.'),
    baseline: text()
      .optional()
      .describe(
        'Pairwise: what models are compared with. A model of this evaluation by name, or answers in a file, *.jsonl, as FastChat writes them or as another evaluation has kept them (samples_TASK.jsonl); default: the first model.',
      ),
    prompts: text()
      .optional()
      .describe('Templates of the prompts, as FastChat has them; default: judge_prompts.jsonl in `data`.'),
    language: text()
      .optional()
      .describe(
        'Language that answers should be in, as the judge calls it: it is told to mind that. Default: it is told nothing. A task file may name another.',
      ),
    instruction: text()
      .optional()
      .describe(
        'Your own words for that, or for anything else; `{language}` in them is filled in. They end the turn of the system.',
      ),
    max_tokens: count(1).default(2048).describe('Of a reply.'),
    request: z
      .record(text(), z.json(), { error: 'expected a table of fields' })
      .default({})
      .describe(
        'Further fields of each request, or others than ours: `{ max_tokens: null }` leaves that one out.',
      ),
    concurrency: count(1).default(4).describe('Requests at a time.'),
    timeout: positive()
      .max(MOST_SECONDS, `expected at most ${MOST_SECONDS} seconds`)
      .default(120)
      .describe(`Seconds that a reply may take, at most ${MOST_SECONDS}.`),
    retries: count(0)
      .default(8)
      .describe(
        'Of a request that failed for want of time, of connection or of capacity; each waits longer.',
      ),
  })
  .describe('Who judges the answers to mt_bench and vicuna: docs/judge.md.')

export type JudgeConfig = z.infer<typeof judgeSchema>
