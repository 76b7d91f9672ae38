/** What an adaptation may be told: models, texts, arms, how they are measured, which one wins. */
import { z } from 'zod'
import { arm } from './adapt/arms'
import { pick } from './adapt/pick'
import { byObjective, trainingKeys } from './adapt/training'
import { count, oneOf, text, threads } from './checks'
import { sources, textSources } from './data'
import { device } from './device'
import { evaluateSchema } from './evaluate'
import { vocabExtendSchema } from './vocab_extend'

const NAME = 'expected letters, digits and underscores'
const names = () => z.array(text(), { error: 'expected a list of names' }).default([])

const TAG = 'expected a language tag, as zh-Hant or de'
const language = z.string({ error: TAG }).refine((tag) => {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false
  }
}, TAG)

const vocabulary = z
  .strictObject(
    vocabExtendSchema.omit({ held_out: true, chat_template: true, eos_token: true, threads: true }).shape,
  )
  .optional()
  .meta({
    keys_of: 'vocab',
    description:
      'Keys of vocab extend, tokens or coverage among them: chat and base get more tokens first. data: default corpus.',
  })

const evaluate = z
  .strictObject({
    ...evaluateSchema.omit({ verb: true, models: true, tasks: true, out: true, device: true, threads: true })
      .shape,
    tasks: z
      .array(text(), { error: 'expected a list of tasks' })
      .default([])
      .describe('Names of tasks and groups, or task files.'),
    dtype: evaluateSchema.shape.dtype.unwrap().optional().describe('Default: that of the adaptation.'),
  })
  .prefault({})
  .meta({ keys_of: 'evaluate', description: 'Keys of evaluate: start and arms do the same tasks.' })

const card = z
  .strictObject({
    title: text().optional().describe('Default: the name of out.'),
    base_model: text().optional().describe('What chat is called on a hub; default: its path.'),
    license: text().optional().describe('Of the result; default: that of the models, where they agree.'),
    datasets: z
      .array(text(), { error: 'expected a list of names' })
      .optional()
      .describe('Names of the data sets behind the texts.'),
  })
  .prefault({})

export const adaptSchema = z.strictObject({
  verb: z.literal('adapt').default('adapt').describe('What the config is for.'),
  chat: text().describe('The chat model that learns the language: a model folder or run folder.'),
  base: text().optional().describe('The model that chat was tuned from; arms with a chat vector need it.'),
  language: language.describe('The language, for the model card: a BCP 47 tag.'),
  out: text().describe('Run folder: stages/, stages.jsonl, report.json, report.html, and model/ at the end.'),
  corpus: sources.describe('Text in the language.'),
  instructions: sources.optional().describe('Conversations, for arms with sft.'),
  preferences: sources.optional().describe('Pairs of answers, for arms with dpo.'),
  held_out: z
    .record(z.string().regex(/^[A-Za-z0-9_]+$/, NAME), textSources)
    .default({})
    .describe('Texts whose perplexity is measured, by name: of the new language, say, and of the old.'),
  vocabulary,
  training: trainingKeys,
  objectives: byObjective.describe('Keys of train by objective, over those of training.'),
  arms: z
    .array(arm, { error: 'expected a list of arms' })
    .min(1, 'expected at least one arm')
    .describe('What is tried; the keys of an arm are below.'),
  evaluate,
  pick: pick.optional(),
  compress: z.looseObject({}).optional().meta({
    keys_of: 'compress',
    description:
      'Keys of compress, stages among them: the picked model is made smaller too, and measured again. Data of recovery and calibration: default corpus.',
  }),
  card,
  only: names().describe('Arms that are worked on; default: all.'),
  skip: names().describe('Arms that are left for later.'),
  keep: oneOf(['picked', 'all'])
    .default('picked')
    .describe('Which models under stages/ stay: what may still win or is needed, or all.'),
  data_cache: text()
    .optional()
    .describe(
      'Where encoded data are kept; default: TONGUEFORGE_DATA_CACHE, else the cache folder of the user.',
    ),
  device: device(),
  dtype: oneOf(['float32', 'bfloat16']).default('float32').describe('Of arithmetic and of trained models.'),
  threads: threads().default(0).describe("CPU threads; 0 = libtorch's own choice."),
  seed: count(0).default(1).describe('Of the order of data, in all stages.'),
})

/** A table of keys of another verb, as it was given. */
export type Keys = Readonly<Record<string, unknown>>

type Parsed = z.infer<typeof adaptSchema>
type Arm = Parsed['arms'][number]

/** Keys of `train` and `compress` as they were given: what is unsaid is theirs to say. */
export interface AdaptConfig extends Omit<Parsed, 'training' | 'objectives' | 'arms' | 'compress'> {
  training: Keys
  objectives: Readonly<Record<string, Keys>>
  arms: readonly (Omit<Arm, 'objectives'> & { objectives: Readonly<Record<string, Keys>> })[]
  compress: Keys | undefined
}
