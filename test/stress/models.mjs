// The models that are worked on: a small one whose jobs end within a millisecond or two, a large one whose jobs
// take tens, and a folder for results.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

/** Returns {small, large, scratch}. */
export async function writeModels(folder) {
  const scratch = join(folder, 'scratch')
  mkdirSync(scratch)
  return {
    small: await writeTinyModel(join(folder, 'small'), { width: 32, layers: 2 }),
    large: await writeTinyModel(join(folder, 'large'), { width: 256, layers: 4 }),
    scratch,
  }
}
