/**
 * Names for unfinished work in folders that processes share, those of other machines and containers among them: a name
 * tells whose the work is, so that what a killed process left can be removed, and nothing else is.
 */
import { createHash } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { readdir } from './files'
import { mkdir, rm } from './writes'

/** A process in a name: its host and container, hashed, and its number. Matches what `thisOwner` makes. */
export const OWNER = '([0-9a-f]{12})-(\\d+)'

export const thisOwner = () => `${host()}-${process.pid}`

// Containers may go by one name, and a process of another one cannot be asked for.
const host = () =>
  createHash('sha256').update(`${hostname()} ${processNamespace()}`).digest('hex').slice(0, 12)

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return '' // where there is no such thing
  }
}

/** Whether an owner, as OWNER matches it, is surely no more. */
export function isGone(machine: string, pid: string): boolean {
  return machine === host() && !isRunning(Number(pid))
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * A path in a folder that no other process takes, for work that is published by renaming it. What dead processes left
 * under such paths is removed, and what this one could not remove before.
 */
export async function workPath(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  await removeLeftovers(folder)
  const unique = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`
  return join(folder, `.tmp-${thisOwner()}-${unique}`)
}

/** The same, made as a folder. */
export async function workFolder(folder: string): Promise<string> {
  const work = await workPath(folder)
  await mkdir(work)
  return work
}

/** Deletes what such a path names. Where that fails now, whoever works in its folder next tries again. */
export const removeWork = (work: string): Promise<unknown> =>
  rm(work, { recursive: true, force: true }).then(
    () => unremoved.delete(work),
    () => unremoved.add(work),
  )

/** Of this thread: others of the process may be at work. */
const unremoved = new Set<string>()

const LEFTOVER = new RegExp(`^\\.tmp-${OWNER}-`)

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, machine, pid] = LEFTOVER.exec(name) ?? []
    if (machine === undefined || pid === undefined) continue
    const work = join(folder, name)
    if (unremoved.has(work)) await removeWork(work)
    else if (isGone(machine, pid)) await rm(work, { recursive: true, force: true }).catch(() => {}) // of another user: left to that one
  }
}
