/** What the demo is, once it has a chat model: an adaptation to language B, as a config of `tongueforge adapt`. */
import { join } from 'node:path'
import { DATASET_FILES } from './datasets'
import { type DemoPlaces, RECIPES, SCALES, trainConfig } from './recipe'

/** Both ways of CP, CP of the base, and that with the chat vector; `name`s are those of the runs in recipe.ts. */
export const DEMO_ARMS = [
  { arm: 'cp', name: 'org_cp' },
  { arm: 'inscp', name: 'ins_cp' },
  { arm: 'cp', name: 'cp', from: 'base' },
  ...SCALES.map((scale) => ({ arm: 'cp_vector', name: `cp_vector_${scale}`, scale })),
] as const

/** `models`: the folder with `chat` and `base`; `tasks`: the files that writeTasks has written. */
export function adaptConfig(
  places: DemoPlaces & { models: string; out: string },
  tasks: readonly string[],
  seed: number,
): Record<string, unknown> {
  const { sequence_length, batch_size, steps, optimizer, schedule, clip } = trainConfig('cp', places, seed)
  const text = (name: keyof typeof DATASET_FILES) => [
    { path: join(places.world, DATASET_FILES[name]), format: 'text' },
  ]
  return {
    chat: join(places.models, 'chat'),
    base: join(places.models, 'base'),
    language: 'und', // it has no name
    out: places.out,
    corpus: text('cp_b'),
    held_out: { texts_b: text('held_out_b'), texts_a: text('held_out_a') },
    training: { sequence_length, batch_size, steps, optimizer, schedule, clip },
    objectives: { inscp: { batch_size: RECIPES.ins_cp.batch_size } },
    arms: DEMO_ARMS,
    evaluate: { tasks, add_bos_token: false }, // template and texts bring it: once is enough
    pick: {
      by: 'answers_b/exact_match',
      require: [
        { measure: 'answers_b/stop_rate', at_least: 0.9 },
        { measure: 'answers_a/exact_match', not_worse_by: 0.1 },
      ],
    },
    card: { title: 'two languages in miniature' },
    keep: 'all',
    threads: 2,
    seed,
  }
}
