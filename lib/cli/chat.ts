// An interactive chat. The history is kept until /reset; Ctrl-C stops the answer that is being written, and leaves
// the chat where none is. Lines may also come from a pipe: each is a turn, and the end of input the end.
import { createInterface, type Interface } from 'node:readline'
import type { Message } from '../index'
import { library } from './library'
import {
  MODEL_OPTIONS,
  type ModelValues,
  modelOptions,
  SAMPLING_OPTIONS,
  type SamplingValues,
  samplingOptions,
} from './options'
import { timedSummary } from './timed_layers'
import { defineVerb, type Io } from './verb'

interface Values extends ModelValues, SamplingValues {
  system?: string
}

export default defineVerb<Values>({
  name: 'chat',
  summary: 'talk with a model',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: [
    { flags: '--system <text>', description: 'a system message before the first turn' },
    ...SAMPLING_OPTIONS,
    ...MODEL_OPTIONS,
  ],
  examples: ['chat path/to/model', 'chat path/to/model --temperature 0.7 --system "Answer in one sentence."'],
  async run([folder], values, io) {
    const { loadDecoder } = library()
    await using model = await loadDecoder(folder, { ...modelOptions(values), signal: io.signal })
    for (const line of timedSummary(model)) io.say(line)
    const first: Message[] = values.system === undefined ? [] : [{ role: 'system', content: values.system }]
    io.say('/reset forgets the conversation, /quit or Ctrl-D leaves, Ctrl-C stops an answer')
    const lines = new Lines(io)
    let history = [...first]
    for (let line = await lines.next(); line !== undefined && line !== '/quit'; line = await lines.next()) {
      if (line === '/reset') history = [...first]
      else if (line.trim() !== '') {
        history.push({ role: 'user', content: line })
        const options = { ...samplingOptions(values), signal: lines.startAnswer() }
        const content = await speak(model.chat(history, options), io, options.signal)
        lines.endAnswer()
        history.push({ role: 'assistant', content })
      }
    }
    lines.close()
    io.signal.throwIfAborted()
    return 0
  },
})

/** Writes an answer as it comes; returns what was said, all or up to the interruption. */
async function speak(answer: AsyncIterable<{ text: string }>, io: Io, signal: AbortSignal): Promise<string> {
  let said = ''
  try {
    for await (const { text } of answer) {
      io.write(text)
      said += text
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
  io.write('\n')
  return said
}

/** The user's lines, one asked for at a time, and what Ctrl-C means at the moment. */
class Lines {
  readonly #input: Interface
  readonly #lines: AsyncIterator<string>
  readonly #interactive: boolean
  #answer: AbortController | undefined

  constructor(io: Io) {
    this.#interactive = process.stdin.isTTY === true
    this.#input = createInterface({
      input: process.stdin,
      output: process.stderr,
      terminal: this.#interactive,
      prompt: '> ',
    })
    this.#lines = this.#input[Symbol.asyncIterator]()
    // On a terminal Ctrl-C arrives here, not as a signal of the process.
    this.#input.on('SIGINT', () => (this.#answer ? this.#answer.abort() : this.#input.close()))
    io.signal.addEventListener('abort', () => {
      this.#answer?.abort()
      this.#input.close()
    })
  }

  async next(): Promise<string | undefined> {
    if (this.#interactive) this.#input.prompt()
    const { value, done } = await this.#lines.next()
    return done ? undefined : value
  }

  /** From here on Ctrl-C aborts the returned signal. */
  startAnswer(): AbortSignal {
    this.#answer = new AbortController()
    return this.#answer.signal
  }

  endAnswer(): void {
    this.#answer = undefined
  }

  close(): void {
    this.#input.close()
  }
}
