// A model in a server of one's own, with Fastify: answers that stream, a queue that is full, requests that are dropped,
// an end that lets running ones finish. (app.register(fastify) of tongueforge adds the routes of OpenAI's API instead.)
//   node examples/fastify_server.mjs MODEL [PORT]
//   curl -N localhost:3000/ask -H 'content-type: application/json' -d '{"question": "what is the colour of hugo ?"}'
import { Readable } from 'node:stream'
import createApp from 'fastify'
import { loadModel } from 'tongueforge'

const [folder, port = '3000'] = process.argv.slice(2)
const model = await loadModel(folder, { threads: 1, serving: { sequences: 16, queue: 64, cache: '200MB' } })
const app = createApp({ keepAliveTimeout: 1000 }) // ms, which an end may have to wait for

const question = { type: 'string', minLength: 1, maxLength: 2000 }
const schema = { body: { type: 'object', required: ['question'], properties: { question } } }

app.post('/ask', { schema }, async ({ body }, reply) => {
  const left = new AbortController()
  reply.raw.once('close', () => left.abort()) // whoever asked has gone: nobody computes for him
  const messages = [{ role: 'user', content: body.question }]
  const run = model.chat(messages, { maxNewTokens: 60, signal: left.signal })
  const pieces = run[Symbol.asyncIterator]()
  const first = await pieces.next() // what is refused is refused here, before the answer begins
  return reply.type('text/plain; charset=utf-8').send(Readable.from(texts(first, pieces)))
})

async function* texts({ value, done }, more) {
  if (!done) yield value.text
  for await (const { text } of more) yield text
}

const STATUS = { ERR_QUEUE_FULL: 503, ERR_CONTEXT: 413, ERR_TEMPLATE: 400 }

app.setErrorHandler((error, _request, reply) => {
  const { code, message } = error
  reply.status(error.statusCode ?? STATUS[code] ?? 500).send({ error: { code, message } })
})

app.get('/stats', () => model.stats())
app.addHook('onClose', () => model.dispose())
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
console.log(await app.listen({ port: Number(port) }))
