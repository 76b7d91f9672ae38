/** How models are served over HTTP. */
import { z } from 'zod'
import { byteSize } from './byte_size'
import { count, oneOf, text } from './checks'

/** Of the plugin: what the routes of a server of one's own may be told. */
export const pluginSchema = z.strictObject({
  apiKey: z
    .union([text(), z.array(text()).min(1)], { error: 'expected a key, or a list of them' })
    .optional()
    .describe(
      'Key, or keys, that requests must show as `Authorization: Bearer KEY`; default: none is asked for.',
    ),
  bodyLimit: byteSize()
    .default('1MB')
    .describe('The largest body of a request; a larger one is answered by 413.'),
  maxTokens: count(1)
    .optional()
    .describe('The longest answer, whatever a request asks for; default: as the context allows.'),
  pooling: oneOf(['mean', 'cls'])
    .default('mean')
    .describe('Of embeddings: the mean of the states of all tokens, or the state of the first.'),
  normalize: z
    .boolean({ error: 'expected true or false' })
    .default(true)
    .describe("Whether embeddings have length 1, as those of OpenAI's API."),
})

/** Of `serve`: the plugin and the server around it. */
export const serveSchema = pluginSchema.extend({
  host: text().default('127.0.0.1').describe('Address to listen on; default: this machine alone.'),
  port: z
    .int({ error: 'expected a port, 0 to 65535' })
    .min(0, 'expected a port, 0 to 65535')
    .max(65535, 'expected a port, 0 to 65535')
    .default(8080)
    .describe('0: any that is free.'),
  cors: z
    .array(text(), { error: 'expected a list of origins' })
    .optional()
    .describe('Origins whose pages may ask; `*`: all. Default: none.'),
  drainSeconds: z
    .number({ error: 'expected a number of seconds from 0' })
    .min(0, 'expected a number of seconds from 0')
    .default(30)
    .describe('How long requests that run may take to end when the server is closed; then they are aborted.'),
})

export type PluginSettings = z.infer<typeof pluginSchema>
