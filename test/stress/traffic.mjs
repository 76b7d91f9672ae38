// What clients ask a server of tiny models: requests whose answers are the same each time, requests that are refused, and
// streams that are left. An answer is compared by its hash: ids and times are left out.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

const WORDS = ['the', 'police', 'a', 'fox', 'sees', 'what', 'is', 'and']

/** Requests to draw from, {path, body} as pairs. `below(n)` draws; `choices`: at most so many of one request. */
export function requests(below, { count = 48, choices = 2 } = {}) {
  const words = wordsBy(below)
  const sampling = (i) => ({ max_tokens: 1 + below(80), temperature: i % 3 ? 1 : 0, seed: i })
  const chat = (i) => ({
    ...{ model: 'tiny', messages: [{ role: 'user', content: words(1 + below(60)) }], n: 1 + (i % choices) },
    ...{ ...sampling(i), ...(i % 5 ? {} : { logprobs: true, top_logprobs: 3 }) },
  })
  const completion = (i) => ({
    model: 'tiny',
    prompt: words(1 + below(60)),
    ...sampling(i),
    stop: ['police'],
  })
  const embedding = () => ({ model: 'encoder', input: [words(3), words(9)].map((text) => text.slice(0, 60)) })
  return Array.from({ length: count }, (_, i) =>
    i % 8 === 7
      ? ['/v1/embeddings', embedding()]
      : i % 3
        ? ['/v1/chat/completions', chat(i)]
        : ['/v1/completions', completion(i)],
  )
}

/** Requests that cannot be, with the status of their answer. */
export function badRequests(below) {
  const words = wordsBy(below)
  return [
    ['/v1/chat/completions', '{"messages":[', 400],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }], tools: [{}], model: 'tiny' }, 400],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: words(400) }], model: 'tiny' }, 400],
    ['/v1/completions', { prompt: [1, 10 ** 6], model: 'tiny' }, 400],
    ['/v1/completions', { prompt: 'x', model: 'other' }, 404],
    ['/v1/embeddings', { input: words(200), model: 'encoder' }, 400],
    ['/v1/embeddings', { input: 'x'.repeat(200_000), model: 'encoder' }, 413],
    ['/v1/nothing', {}, 404],
  ]
}

const wordsBy = (below) => (n) => Array.from({ length: n }, () => WORDS[below(WORDS.length)]).join(' ')

const hashOf = (choices) => createHash('sha256').update(JSON.stringify(choices)).digest('hex')

/** What all choices of an answer say, or all vectors. */
export const said = ({ choices, data }) =>
  hashOf(
    data?.map(({ embedding }) => embedding) ??
      choices.map(({ index, text, message, logprobs, finish_reason }) => ({
        ...{ index, text: text ?? message.content, finish_reason },
        logprobs: (logprobs?.content ?? []).map(({ logprob }) => logprob),
      })),
  )

/** The same of a stream. `pieces`: after how many events to leave, undefined then. */
export async function streamed(url, [path, body], pieces = Number.POSITIVE_INFINITY) {
  const stop = new AbortController()
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
    signal: stop.signal,
  })
  assert.equal(response.status, 200)
  const choices = Array.from({ length: body.n ?? 1 }, (_, index) => ({ index, text: '', logprobs: [] }))
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const bytes of response.body) {
      const events = (rest + decoder.decode(bytes, { stream: true })).split('\n\n')
      rest = events.pop()
      for (const event of events.filter((one) => one !== 'data: [DONE]')) {
        if (pieces-- <= 0) {
          stop.abort()
          return undefined
        }
        const { choices: told, error } = JSON.parse(event.slice('data: '.length))
        assert.equal(error, undefined)
        for (const { index, text, delta, logprobs, finish_reason } of told) {
          choices[index].text += text ?? delta.content ?? ''
          choices[index].logprobs.push(...(logprobs?.content ?? []).map(({ logprob }) => logprob))
          if (finish_reason) choices[index].finish_reason = finish_reason
        }
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return undefined
  }
  return hashOf(
    choices.map(({ index, text, finish_reason, logprobs }) => ({ index, text, finish_reason, logprobs })),
  )
}
