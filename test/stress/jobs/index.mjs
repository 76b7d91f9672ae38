// Every kind of job that the library has, for the tests that disturb jobs: JOBS[kind](inputs) resolves with
// {once(callbacks), close()}. `once` runs one job from beginning to end and resolves with what must be the same each time
// (but for `step`); callbacks: {signal, onProgress}, as the library takes them. `close` gives back what is held between
// jobs. inputs: of writeInputs. A new job needs a row here: coverage.test.mjs asks for it.
import { ON_MODELS } from './models.mjs'
import { ON_TEXT_AND_SOUND } from './text_and_sound.mjs'
import { THAT_TRAIN } from './training.mjs'
import { ON_WEIGHTS } from './weights.mjs'

const JOBS = { ...ON_MODELS, ...THAT_TRAIN, ...ON_WEIGHTS, ...ON_TEXT_AND_SOUND }

export const KINDS = Object.keys(JOBS)

/** Kinds whose every job ends within some ms on an idle machine. */
export const SHORT = [
  ...['load', 'generate', 'generate text', 'chat', 'serve', 'graft live', 'score', 'likelihoods', 'logits'],
  ...['embed', 'fill masks', 'masked loss', 'classify', 'hear', 'inspect', 'step'],
  ...['tokenise', 'find languages by fastText', 'read wav', 'make frames'],
]

/** Kinds with a thread of JavaScript that stays for the next job: what they hold counts from their first job on. */
export const WITH_THREADS = ['find languages', 'read flac']

/** Some kinds, drawn: a share of a test that looks at all of them. */
export function drawn(kinds, count, draw) {
  const left = [...kinds]
  return Array.from(
    { length: Math.min(count, left.length) },
    () => left.splice(Math.floor(draw() * left.length), 1)[0],
  )
}

/** Opens what jobs of a kind need: {once, close}. */
export async function open(kind, inputs) {
  const { once, close = async () => {} } = await JOBS[kind](inputs)
  return { once, close }
}
