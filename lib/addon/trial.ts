// A prebuilt addon is tried in a process of its own before this one loads it: a crash while it loads (an instruction
// that the processor lacks, a damaged library) ends that process, not the user's. What went well is remembered in the
// cache, by the hash of the addon and all that it stood on, so that it costs half a second once.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { arch } from 'node:os'
import { join } from 'node:path'
import { TongueforgeError } from '../errors'
import { cacheFolder, type Libtorch } from '../libtorch_folders'
import { makeFoldersNow } from '../writes'
import { anotherLibtorch } from './another_libtorch'
import { againCommand, loadFailure } from './load_failure'
import type { AddonFile } from './record'
import { checkGlibc, glibcVersion, processor } from './system'

const PATIENCE = 120_000 // ms: libtorch on a slow network disk takes its time
/** Set in the trial itself, so that it never starts another. */
const INSIDE = 'TONGUEFORGE_TRIAL'

/**
 * Tries a prebuilt addon on a libtorch, unless that went well before. Throws ERR_ADDON for a damaged file or a crash,
 * ERR_PLATFORM for what the machine lacks, ERR_LIBTORCH for a libtorch that does not do. Where no process can be
 * started (Node's permission model, a single executable) it says nothing.
 */
export function tryOut(addon: AddonFile, libtorch: Libtorch): void {
  if (process.env[INSIDE] || isSingleExecutable()) return
  const hash = checkBytes(addon)
  const glibc = glibcVersion()
  const memory = join(cacheFolder(), 'trials', keyOf(hash, libtorch, glibc))
  if (existsSync(memory)) return
  const { glibc: needed } = addon.record.requires ?? {}
  if (needed) checkGlibc(needed, 'the prebuilt addon', glibc)
  if (runTrial(addon, libtorch)) remember(memory, addon, libtorch)
}

/** The hash of the file. Throws ERR_ADDON where it is not the one that the package tells. */
function checkBytes({ path, record, package: name }: AddonFile): string {
  const received = createHash('sha256').update(readFileSync(path)).digest('hex')
  const expected = record.sha256
  if (expected === undefined || received === expected) return received
  throw new TongueforgeError('ERR_ADDON', `${path}: expected SHA-256 ${expected}, received ${received}`, {
    hint: againCommand({ path, record, ...(name && { package: name }) }),
    details: { path, expected, received },
  })
}

function keyOf(addon: string, { path, version }: Libtorch, glibc: string | undefined): string {
  const { size, mtimeMs } = statSync(join(path, 'lib', 'libtorch_cpu.so'))
  const { model, flags } = processor()
  const facts = [addon, path, version, size, mtimeMs, glibc, process.version, arch(), model, ...flags]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 40)
}

/** Whether it went well; false where no process could be started. */
function runTrial(addon: AddonFile, libtorch: Libtorch): boolean {
  const { NODE_OPTIONS: _, ...env } = process.env // no debugger, and no preloads, in the trial
  const ended = spawnSync(
    process.execPath,
    [join(__dirname, 'trial_process.js'), libtorch.path, addon.path],
    {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...env, [INSIDE]: '1', ELECTRON_RUN_AS_NODE: '1' },
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
      encoding: 'utf8',
    },
  )
  const code = (ended.error as NodeJS.ErrnoException | undefined)?.code
  if (code !== undefined && code !== 'ETIMEDOUT') return false
  if (code === 'ETIMEDOUT') throw ranOutOfTime(addon, libtorch)
  if (ended.signal) throw crashed(ended.signal, addon, libtorch)
  const answer = ended.output[3] ?? ''
  if (ended.status === 0 && answer === 'ok') return true
  throw loadFailure(answer || lastLine(ended.stderr) || `exit code ${ended.status}`, { addon, libtorch })
}

function crashed(signal: string, addon: AddonFile, libtorch: Libtorch): TongueforgeError {
  const details = { signal, addon: addon.path, libtorch: libtorch.path }
  if (signal === 'SIGILL') {
    const { model } = processor()
    return new TongueforgeError(
      'ERR_PLATFORM',
      `the processor (${model || process.arch}) lacks an instruction that libtorch ${libtorch.version} or the addon needs: a trial process ended with SIGILL`,
      {
        hint: 'use a newer machine (docs/packages.md says what processors do); in a virtual machine, pass the processor of the host through',
        details: { ...details, processor: model },
      },
    )
  }
  return new TongueforgeError('ERR_ADDON', `loading the addon crashed a trial process (${signal})`, {
    hint: `${againCommand(addon)}; if it stays so: ${anotherLibtorch(libtorch)}`,
    details,
  })
}

function ranOutOfTime(addon: AddonFile, libtorch: Libtorch): TongueforgeError {
  return new TongueforgeError(
    'ERR_ADDON',
    `loading the addon did not end within ${PATIENCE / 1000} seconds in a trial process`,
    { hint: againCommand(addon), details: { addon: addon.path, libtorch: libtorch.path } },
  )
}

// Written whole or not at all; a cache that cannot be written only means that the next process tries again.
function remember(memory: string, addon: AddonFile, libtorch: Libtorch): void {
  try {
    makeFoldersNow(join(cacheFolder(), 'trials'))
    const draft = `${memory}.${process.pid}`
    writeFileSync(draft, `${JSON.stringify({ addon: addon.path, libtorch: libtorch.path })}\n`)
    renameSync(draft, memory)
  } catch {}
}

// There process.execPath is the user's program, and starting it would start all of it again.
export function isSingleExecutable(): boolean {
  try {
    return (require('node:sea') as { isSea(): boolean }).isSea()
  } catch {
    return false // a Node without single executables
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
