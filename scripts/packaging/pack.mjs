// npm's own packing of a staged folder, offline and without scripts.
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../steps.mjs'

/** Gives all files of a staged folder the modes of a clone made with umask 022: whoever packs makes the same bytes. */
export function plainModes(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath ?? entry.path, entry.name)
    chmodSync(file, statSync(file).mode & 0o100 ? 0o755 : 0o644)
  }
}

/** Packs a folder into `out` (or only says what it would); answers with the entry of `npm pack --json`. */
export async function pack(folder, out, { dryRun = false } = {}) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', out]
  const said = await capture('npm', [...args, ...(dryRun ? ['--dry-run'] : [])], {
    cwd: folder,
    failure: `npm could not pack ${folder}`,
    env: { ...process.env, npm_config_loglevel: 'error', npm_config_offline: 'true' },
  })
  const [packed] = Object.values(JSON.parse(said.slice(said.search(/[[{]/))))
  return { ...packed, path: join(out, packed.filename) }
}
