// Serves models over HTTP until a signal: then requests that run are answered, and no others.
import { basename, resolve } from 'node:path'
import { library } from './library'
import {
  integer,
  MODEL_OPTIONS,
  type ModelValues,
  modelOptions,
  oneOf,
  pick,
  repeated,
  usageError,
} from './options'
import { jsonText } from './print'
import { defineVerb, type Io } from './verb'

interface Values extends ModelValues {
  delta?: string[]
  host?: string
  port?: number
  apiKeyEnv?: string
  cors?: string[]
  bodyLimit?: string
  maxTokens?: number
  pooling?: 'mean' | 'cls'
  drainSeconds?: number
  sequences?: number
  queue?: number
  cache?: string
  context?: number
}

const KEY = 'TONGUEFORGE_API_KEY'

export default defineVerb<Values>({
  name: 'serve',
  summary: "answer requests over HTTP, as OpenAI's API does",
  arguments: [{ name: '<models...>', description: 'model folders or run folders; NAME=FOLDER names one' }],
  options: [
    {
      flags: '--delta <name=folder>',
      description: 'a chat vector, as delta extract writes it, that clients may put on a model (repeatable)',
      parse: repeated,
    },
    {
      flags: '--host <address>',
      description: 'address to listen on; default: 127.0.0.1, this machine alone',
    },
    { flags: '--port <n>', description: 'default: 8080; 0: any that is free', parse: integer },
    {
      flags: '--api-key-env <name>',
      description: `environment variable with the key that requests must show; default: ${KEY}, where it is set`,
    },
    {
      flags: '--cors <origin>',
      description: 'an origin whose pages may ask, or * (repeatable); default: none',
      parse: repeated,
    },
    { flags: '--body-limit <size>', description: 'the largest body of a request; default: 1MB' },
    {
      flags: '--max-tokens <n>',
      description: 'the longest answer, whatever a request asks for; default: as the context allows',
      parse: integer,
    },
    {
      flags: '--pooling <how>',
      description:
        'of embeddings: mean of the states of all tokens (default), or cls, the state of the first',
      parse: oneOf('mean', 'cls'),
    },
    {
      flags: '--drain-seconds <n>',
      description: 'how long requests may take to end after SIGTERM; default: 30',
      parse: integer,
    },
    {
      flags: '--sequences <n>',
      description: 'requests that run at the same time; default: 32',
      parse: integer,
    },
    { flags: '--queue <n>', description: 'requests that may wait beside them; default: 256', parse: integer },
    { flags: '--cache <size>', description: 'memory for keys and values of all requests; default: 1GB' },
    {
      flags: '--context <n>',
      description: 'positions of the longest request; default: what model and cache have',
      parse: integer,
    },
    ...MODEL_OPTIONS,
    { flags: '--json', description: 'print one JSON document when it listens: {url, models}' },
  ],
  examples: ['serve path/to/model', 'serve chat=path/to/model embed=path/to/encoder --port 8000'],
  async run([folders], values, io) {
    const { serve } = library()
    const models = namedFolders(folders)
    const serving = pick(values, ['sequences', 'queue', 'cache', 'context'])
    const server = await serve({
      models,
      deltas: namedFolders(values.delta ?? []),
      load: { ...modelOptions(values), serving, signal: io.signal },
      ...pick(values, ['host', 'port', 'cors', 'bodyLimit', 'maxTokens', 'pooling', 'drainSeconds']),
      apiKey: keyOf(values),
    })
    const names = Object.keys(models)
    io.write(io.json ? jsonText({ url: server.url, models: names }) : `${server.url}\n`)
    io.say(`serving ${names.join(', ')}; Ctrl-C ends it`)
    await stopped(io)
    io.say('no new requests; those that run are answered')
    await server.close()
    return 0
  },
})

/** `NAME=FOLDER`, or a folder under its own name. */
function namedFolders(given: readonly string[]): Record<string, string> {
  const folders: Record<string, string> = {}
  for (const one of given) {
    const [, named, path] = /^([\w.-]+)=(.+)$/.exec(one) ?? []
    const name = named ?? basename(resolve(one))
    if (Object.hasOwn(folders, name))
      throw usageError(`${one}: expected another name than '${name}', which is taken`, `name it: NAME=${one}`)
    folders[name] = path ?? one
  }
  return folders
}

function keyOf({ apiKeyEnv }: Values): string | undefined {
  const key = process.env[apiKeyEnv ?? KEY]
  if (key) return key
  if (apiKeyEnv === undefined) return undefined
  throw usageError(`--api-key-env: expected a key in ${apiKeyEnv}, found none`, `export ${apiKeyEnv}=...`)
}

function stopped({ signal }: Io): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}
