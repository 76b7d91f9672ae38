/** What a model that serves many requests may be told. */
import { z } from 'zod'
import type { EngineSettings } from '../native'
import { byteSize, bytesOf } from './byte_size'
import { count } from './checks'
import { checkConfig } from './parse'

export const servingSchema = z.strictObject({
  sequences: count(1).default(32).describe('Requests that run at the same time.'),
  queue: count(0).default(256).describe('Requests that may wait beside them; one more is ERR_QUEUE_FULL.'),
  cache: byteSize()
    .default('1GB')
    .describe('Memory for keys and values of all requests; it is taken as it is needed.'),
  context: count(1)
    .optional()
    .describe(
      'Positions of the longest request, prompt and answer; default: what the model has, or what the cache holds if that is less.',
    ),
  prefixCache: z
    .boolean({ error: 'expected true or false' })
    .default(true)
    .describe('Whether what prompts begin with alike is computed once.'),
})

/** How many requests a model serves at a time, and in how much memory. */
export type ServingOptions = z.input<typeof servingSchema>

/** Defaults and checks. Throws ERR_CONFIG that names the key. */
export function engineSettings(options: ServingOptions): EngineSettings {
  const { sequences, queue, cache, context, prefixCache } = checkConfig(servingSchema, options, 'serving')
  return {
    sequences,
    queue,
    cache_bytes: bytesOf(cache),
    context: context ?? 0,
    prefix_cache: prefixCache,
  }
}
