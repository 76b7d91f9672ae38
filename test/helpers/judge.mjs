// A judge that answers what a test tells it to: an OpenAI-compatible endpoint on this machine.
import { once } from 'node:events'
import { createServer } from 'node:http'

/** The body of a chat completion with this reply. */
export const completion = (content, more = {}) => ({
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', ...more }],
  usage: { prompt_tokens: 7, completion_tokens: 3 },
})

/**
 * Listens on a port of its own until the test `t` ends. `answer(body, i)` gives the words of the i-th reply, or
 * `{ status, headers, body, wait }`: `body` an object or text, `wait` a promise that holds it back. `requests` are those
 * that came: `{ method, url, headers, body }`; `most` is how many were there at a time.
 */
export async function startJudge(t, answer = () => 'Rating: [[5]]') {
  const judge = { requests: [], most: 0 }
  let open = 0
  const server = createServer(async (request, response) => {
    judge.most = Math.max(judge.most, ++open)
    response.on('close', () => open--)
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const { method, url, headers } = request
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    const i = judge.requests.push({ method, url, headers, body }) - 1
    const told = await answer(body, i)
    const {
      status = 200,
      headers: more = {},
      body: content,
      wait,
    } = typeof told === 'string' ? { body: completion(told) } : told
    await wait
    if (response.destroyed) return
    response.writeHead(status, { 'content-type': 'application/json', ...more })
    response.end(typeof content === 'string' ? content : JSON.stringify(content))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  t.after(close)
  return Object.assign(judge, { url: `http://127.0.0.1:${server.address().port}/v1`, close })
}
