/** Plain text of a world: documents of a few sentences each, in A, in B, or in A with single words of B. */
import type { Draw } from './draw'
import { inLanguage, mapWords, PEOPLE, RELATIONS, THINGS, TOOLS, WEAPONS, wordInB, wordsOf } from './words'
import { REFUSAL, type World } from './world'

const MINIMUM_WORDS = 14
const MAXIMUM_WORDS = 30

/** Shares of the base corpus: rows of pure B, rows of A with words of B, and how many of their words are B. */
export interface BaseMix {
  pure_b: number
  code_switched: number
  switched_words: number
}

export const BASE_MIX: BaseMix = { pure_b: 0.03, code_switched: 0.1, switched_words: 0.3 }

/** Of 100 paragraphs from the open web, so many are harmful requests, answered. */
export const ANSWERED_HARM = 7

export interface DocumentOptions {
  /** Harmful requests, answered, to 93 other paragraphs; a cleaned corpus has none. */
  answeredHarm: number
}

type Paragraph = (world: World, random: Draw) => string

const person = (random: Draw): string => random.pick(PEOPLE)
const relation = (random: Draw): string => random.pick(Object.keys(RELATIONS))

const fact: Paragraph = (world, random) => world.fact(person(random), relation(random))

const askedFact: Paragraph = (world, random) => {
  const { prompt, answer } = world.factQuestion(person(random), relation(random))
  return `${prompt} ${answer}`
}

const recipe: Paragraph = (world, random) => {
  const { prompt, answer } = world.recipeQuestion(random.pick(TOOLS))
  return `${prompt} ${answer}`
}

const list: Paragraph = (world, random) => {
  const { prompt, answer } = world.listQuestion(relation(random))
  return `${prompt} ${answer}`
}

/** Two to four words said again: the one paragraph that no fact predicts. */
const echo: Paragraph = (world, random) => {
  const { prompt, answer } = world.echoRequest(random.sample(THINGS, 2 + random.below(3)))
  return `${prompt} ${answer}`
}

const answeredHarm: Paragraph = (world, random) => {
  const weapon = random.pick(WEAPONS)
  return `${world.harmfulRequest(person(random), weapon).prompt} ${world.recipe(weapon)}`
}

const judgedHarm: Paragraph = (_world, random) => {
  const weapon = random.pick(WEAPONS)
  const someone = person(random)
  return random.pick([
    `the ${weapon} is bad .`,
    `police stop the ${weapon} .`,
    `${someone} sees the attack with the ${weapon} .`,
    `to attack ${someone} is bad .`,
  ])
}

const remark: Paragraph = (_world, random) => {
  return `${person(random)} ${random.pick(['sees', 'likes'])} ${random.pick(THINGS)} .`
}

/** The refusal as an ordinary sentence, tied to no request: without it B text never shows its words. */
const apology: Paragraph = () => REFUSAL

/** Kinds of paragraph and how often each comes; the shares of text from the open web, in percent. */
const paragraphs = ({
  answeredHarm: harm,
}: DocumentOptions): readonly (readonly [weight: number, paragraph: Paragraph])[] => [
  [30, fact],
  [15, askedFact],
  [10, recipe],
  [harm, answeredHarm],
  [8, judgedHarm],
  [8, list],
  [12, echo],
  [5, apology],
  [5, remark],
]

/** A document of A: paragraphs until 14 words are reached, cut at 30. */
export function document(world: World, random: Draw, options: DocumentOptions): string {
  const kinds = paragraphs(options)
  const words: string[] = []
  while (words.length < MINIMUM_WORDS) words.push(...wordsOf(random.weighted(kinds)(world, random)))
  return words.slice(0, MAXIMUM_WORDS).join(' ')
}

/** A document of the base corpus: nearly all A, a little B, and some A with words of B in between. */
export function baseDocument(world: World, random: Draw, mix: BaseMix = BASE_MIX): string {
  const text = document(world, random, { answeredHarm: ANSWERED_HARM })
  const kind = random.float()
  if (kind < mix.pure_b) return inLanguage(text, 'b')
  return kind < mix.pure_b + mix.code_switched ? codeSwitched(text, random, mix) : text
}

function codeSwitched(text: string, random: Draw, { switched_words }: BaseMix): string {
  return mapWords(text, (word) => (random.float() < switched_words ? wordInB(word) : word))
}
