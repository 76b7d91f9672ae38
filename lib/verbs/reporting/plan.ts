/** What a report will be made of: each folder with the kind of run that it is. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TongueforgeError } from '../../errors'
import { type Folder, openFolder } from './folder'
import type { Kind } from './kind'
import { KINDS } from './kinds'
import { namesOf } from './words'

export interface PlannedRun {
  /** Its row in KINDS: train, evaluate... */
  kind: string
  of: Kind
  folder: Folder
  /** Begins the names of its files: `1-base`. */
  files: string
}

/** Throws ERR_USAGE, ERR_NOT_FOUND, ERR_DATA where a folder is no run, or its files are damaged. */
export async function planRuns(paths: readonly string[]): Promise<PlannedRun[]> {
  if (paths.length === 0)
    throw new TongueforgeError('ERR_USAGE', 'expected folders of runs, received none', {
      hint: 'tongueforge report path/to/run --out report.html',
    })
  const twice = paths.find((path, i) => paths.findIndex((other) => resolve(other) === resolve(path)) !== i)
  if (twice !== undefined)
    throw new TongueforgeError('ERR_USAGE', `${twice}: expected each folder once, received it twice`, {
      hint: 'Leave one of them out.',
      details: { path: twice },
    })
  const names = namesOf(paths.map((path) => resolve(path)))
  const runs: PlannedRun[] = []
  for (const [i, path] of paths.entries()) {
    const folder = { ...(await openFolder(path)), name: names[i]! }
    runs.push({ ...recognised(folder), folder, files: `${i + 1}-${slug(names[i]!)}` })
  }
  return runs
}

function recognised(folder: Folder): Pick<PlannedRun, 'kind' | 'of'> {
  const found = Object.entries(KINDS).find(([, kind]) => kind.recognises(folder))
  if (found !== undefined) return { kind: found[0], of: found[1] }
  throw notARun(folder)
}

/** For names of files, whatever the folder is called. */
const slug = (name: string) =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 40) || 'run'

const FILES_SHOWN = 5

function notARun({ path, files }: Folder): TongueforgeError {
  const within = files.filter((name) =>
    ['resolved.yaml', 'provenance.json'].some((file) => existsSync(join(path, name, file))),
  )
  const shown = files.slice(0, FILES_SHOWN).join(', ')
  const more = files.length > FILES_SHOWN ? ` and ${files.length - FILES_SHOWN} more` : ''
  return new TongueforgeError(
    'ERR_DATA',
    `${path}: expected a folder that tongueforge wrote, found ${files.length === 0 ? 'nothing' : shown + more}; ` +
      `looked for what is ${Object.values(KINDS)
        .map(({ looksFor }) => looksFor)
        .join('; ')}`,
    {
      hint:
        within.length > 0
          ? `Runs lie in it: ${within.map((name) => join(path, name)).join(' ')}`
          : 'Give the folder that was the `out` of a run.',
      details: { path, found: files.slice(0, FILES_SHOWN) },
    },
  )
}
