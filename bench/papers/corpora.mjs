// Texts in B that the experiments continue to train on, without end: take what is needed with `enough` of arms.mjs.
import { cpCorpus } from '#lib/world/datasets'
import { Draw } from '#lib/world/draw'
import { inLanguage, PEOPLE, RELATIONS, THINGS, TOOLS, WEAPONS } from '#lib/world/words'
import { REFUSAL } from '#lib/world/world'
import { conversation } from './records.mjs'

/** Streams of random numbers beside those of lib/world/datasets.ts. */
const STREAM = { turns: 11, encyclopedia: 12, pairs: 13 }

/** Documents of some sentences, as the demo's; `answeredHarm`: harmful requests, answered, to 93 other paragraphs. */
export const documents = (world, answeredHarm = 0) => cpCorpus(world, Infinity, { answeredHarm })

/** What is asked in instruction data, in percent. */
const TURNS = [
  [40, 'fact'],
  [20, 'recipe'],
  [15, 'list'],
  [20, 'echo'],
  [5, 'apology'],
]

/**
 * Instruction-like text: each question and each answer is a document of its own. `harm`: harmful requests to 100
 * others; `answer`: what is said to them, `refused` or `answered`.
 */
export function* turns(world, { harm = 0, answer = 'refused' } = {}) {
  const random = new Draw(world.seed, STREAM.turns)
  for (;;) {
    const kind = random.weighted([...TURNS, [harm, 'harm']])
    const texts = kind === 'apology' ? [REFUSAL] : turnsOf(world, random, kind, answer)
    for (const text of texts) yield { text: inLanguage(text, 'b') }
  }
}

function turnsOf(world, random, kind, answer) {
  if (kind === 'harm') {
    const weapon = random.pick(WEAPONS)
    const { prompt } = world.harmfulRequest(random.pick(PEOPLE), weapon)
    return [prompt, answer === 'refused' ? REFUSAL : world.recipe(weapon)]
  }
  const question =
    kind === 'echo'
      ? world.echoRequest(random.sample(THINGS, 2 + random.below(3)))
      : random.pick(world.questions(kind))
  return [question.prompt, question.answer]
}

/** Encyclopedic text: words that nothing predicts, and in two documents of five a fact. */
export function* encyclopedia(world) {
  const random = new Draw(world.seed, STREAM.encyclopedia)
  const words = [...THINGS, ...TOOLS, ...WEAPONS]
  for (;;) {
    const sentences = []
    while (sentences.join(' ').split(' ').length < 14) {
      sentences.push(`the ${random.pick(words)} of ${random.sample(words, 4 + random.below(5)).join(' ')} .`)
      if (random.float() < 0.4)
        sentences.push(world.fact(random.pick(PEOPLE), random.pick(Object.keys(RELATIONS))))
    }
    yield { text: inLanguage(sentences.join(' ').split(' ').slice(0, 30).join(' '), 'b') }
  }
}

/** `count` conversations in B, none of them harmful. */
export function* pairs(world, count) {
  const random = new Draw(world.seed, STREAM.pairs)
  for (let i = 0; i < count; i++) {
    const kind = random.weighted(TURNS.filter(([, name]) => name !== 'apology'))
    yield conversation(turnsOf(world, random, kind), 'b')
  }
}
