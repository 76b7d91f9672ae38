// The packages of this version as they are installed somewhere else: with the addon of the clone's last build, which is
// not built anew, and with nothing of the clone in reach.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { findLibtorch } from '#lib/libtorch'
import { installedEntries } from '../../scripts/packaging/dependencies.mjs'
import { stageMainPackage } from '../../scripts/packaging/main_package.mjs'
import { stagePlatformPackage } from '../../scripts/packaging/platform_package.mjs'
import { filesUnder } from '../../scripts/steps.mjs'
import { clone } from './cli.mjs'

/** The libtorch that the clone runs on. */
export const libtorch = findLibtorch()?.path

/** Packages that the main one depends on, in node_modules as a lockfile names them; optional ones where they are. */
function dependencies() {
  return Object.keys(installedEntries()).filter((path) => path.lastIndexOf('node_modules/') === 0) // a package has its own within
}

/** Lays dependencies of the main package (all) into `folder`/node_modules, as links where the disk allows. */
export function copyDependencies(folder, paths = dependencies()) {
  for (const file of paths.flatMap((path) => filesUnder(path))) {
    const target = join(folder, file)
    mkdirSync(dirname(target), { recursive: true })
    try {
      linkSync(join(clone, file), target)
    } catch {
      cpSync(join(clone, file), target)
    }
  }
  linkCommands(folder)
}

// npm takes a package for damaged, and fetches it anew, where the links to its commands are missing.
function linkCommands(folder) {
  const [from, to] = [clone, folder].map((place) => join(place, 'node_modules', '.bin'))
  mkdirSync(to)
  for (const name of readdirSync(from)) {
    const target = readlinkSync(join(from, name))
    if (existsSync(join(to, target))) symlinkSync(target, join(to, name))
  }
}

/**
 * Both packages in node_modules of a folder, without npm, and as much beside them as the addon takes to load; answers
 * with the folder of the platform package.
 */
export async function layOut(folder) {
  copyDependencies(folder, ['node_modules/node-gyp-build'])
  stageMainPackage(join(folder, 'node_modules', 'tongueforge'))
  const staged = join(folder, 'staged')
  const { name } = await stagePlatformPackage(staged)
  const place = join(folder, 'node_modules', name)
  cpSync(staged, place, { recursive: true })
  return place
}

/** An environment of Node and npm alone: no compiler, no Python, no variable of ours. */
export function bareEnvironment(folder, cache) {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  symlinkSync(process.execPath, join(bin, 'node'))
  for (const name of ['npm', 'npx', 'sh']) symlinkSync(realpathSync(onPath(name)), join(bin, name))
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(LIBTORCH|TONGUEFORGE_|npm_|NODE_|PYTHON)/.test(name),
  )
  return { ...Object.fromEntries(kept), PATH: bin, TONGUEFORGE_CACHE: cache }
}

function onPath(name) {
  for (const folder of process.env.PATH.split(delimiter)) {
    try {
      return realpathSync(join(folder, name))
    } catch {}
  }
  throw new Error(`${name} is not on the PATH`)
}

/** Runs a program to its end: {code, signal, out, err}. */
export function run(command, args, options) {
  return new Promise((done, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const said = { out: '', err: '' }
    child.stdout.setEncoding('utf8').on('data', (text) => (said.out += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (said.err += text))
    child.on('error', reject)
    child.on('close', (code, signal) => done({ code, signal, ...said }))
  })
}

/** Changes the bytes of an installed addon, and its record so that it tells of the change as if nothing was wrong. */
export function alterAddon(addon, change, facts = {}) {
  const bytes = readFileSync(addon)
  change(bytes)
  writeFileSync(addon, bytes)
  alterRecord(addon, { sha256: createHash('sha256').update(bytes).digest('hex'), ...facts })
}

export function alterRecord(addon, facts) {
  const file = join(dirname(addon), 'tongueforge.json')
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...facts }))
}
