/** Which process it is that works on a run, told from any other that has its number later. */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

export interface ProcessIdentity {
  pid: number
  host: string
  /** Changes when the machine is started: numbers of processes mean nothing after that. */
  boot_id: string
  /** Containers count their processes each from 1; empty where the system has no such thing. */
  pid_namespace: string
  /** In ticks since the machine was started: a number is given again, but not at the same instant. */
  started: string
}

/** Where a process stands as seen from here. */
export type Whereabouts = 'alive' | 'gone' | 'elsewhere'

export const thisProcess = (): ProcessIdentity => identityOf(process.pid)

/** Of a process of this machine. */
export function identityOf(pid: number): ProcessIdentity {
  return { pid, ...place(), started: startOf(pid) ?? '' }
}

/** `elsewhere`: on another host or in another container, where nothing can be asked about it. */
export function whereabouts({ pid, started, ...its }: ProcessIdentity): Whereabouts {
  const here = place()
  if (its.host !== here.host) return 'elsewhere'
  if (its.boot_id !== here.boot_id) return 'gone'
  if (its.pid_namespace !== here.pid_namespace) return 'elsewhere'
  return started === '' ? answers(pid) : startOf(pid) === started ? 'alive' : 'gone'
}

export const isSame = (a: ProcessIdentity, b: ProcessIdentity) =>
  a.pid === b.pid && a.started === b.started && a.boot_id === b.boot_id && a.host === b.host

function place(): Omit<ProcessIdentity, 'pid' | 'started'> {
  return {
    host: hostname(),
    boot_id: orEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pid_namespace: orEmpty(() => readlinkSync('/proc/self/ns/pid')),
  }
}

/** Field 22 of /proc/PID/stat; undefined for a process that is not there, or has ended and is not yet fetched. */
function startOf(pid: number): string | undefined {
  const stat = orEmpty(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // the name before it may hold anything
  const [state, start] = [fields[0], fields[19]]
  return state === 'Z' || state === 'X' ? undefined : start
}

/** Where there is no /proc. */
function answers(pid: number): Whereabouts {
  try {
    process.kill(pid, 0)
    return 'alive'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'alive' : 'gone'
  }
}

function orEmpty(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
