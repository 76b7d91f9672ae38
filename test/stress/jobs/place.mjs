// Places for results, and what of a result is the same each time.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

let made = 0

/** Calls `make(out)` with a new folder to be made below `scratch`, and removes it. Resolves with the hash of its weights. */
export async function written(scratch, make) {
  const out = join(scratch, `${process.pid}-${made++}-${Math.random()}`)
  try {
    await make(out)
    return hashOfWeights(out)
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

function hashOfWeights(folder) {
  const hash = createHash('sha256')
  if (!existsSync(folder)) return undefined // a dry run
  const names = readdirSync(folder, { recursive: true }).filter((name) =>
    /^(model\/)?[^/]*\.safetensors$/.test(name),
  )
  for (const name of names.sort()) hash.update(name).update(readFileSync(join(folder, name)))
  return hash.digest('hex')
}

/** Some numbers of many: enough to see that they are others. */
export const some = (array) => Array.from(array).filter((_, i) => i % Math.ceil(array.length / 200) === 0)
