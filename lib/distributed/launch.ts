/** Starts one command in several processes, and ends with them: what torchrun is where there is Python. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { type Environment, rendezvous } from './rendezvous'

export interface LaunchOptions {
  /** Of this host. */
  processes: number
  /** Program and arguments. */
  command: readonly string[]
  env: Environment
  /** Aborted: all are asked to stop, as by SIGTERM. */
  signal: AbortSignal
  /** Hears of processes that end as they should not. */
  say: (line: string) => void
}

/** Once one has failed: how long the others have to find out who it was, and then to stop. */
const [TO_FIND_OUT, TO_STOP] = [20_000, 10_000]
const FAILED = 1

/** What ends a command whose terminal goes, or asks it to: Node would end without a word, and the processes live on. */
const TERMINAL = ['SIGHUP', 'SIGQUIT'] as const

/** Gives the exit code of the first that fails, 1 where it was killed or did not start; 0 once all are done. */
export async function launch({ processes, command, env, signal, say }: LaunchOptions): Promise<number> {
  const environments = await environmentsOf(env, processes)
  const children: ChildProcess[] = []
  const killAll = () => stopAll(children, 'SIGKILL')
  let isAsked = false
  const stop = () => {
    if (!isAsked) stopAll(children, 'SIGTERM') // a second one would keep them from saving
    isAsked = true
  }
  process.once('exit', killAll)
  signal.addEventListener('abort', stop, { once: true })
  for (const name of TERMINAL) process.on(name, stop)
  let first: number | undefined
  const timers: NodeJS.Timeout[] = []
  const ended = environments.map(async (own) => {
    const code = await runOne(command, own, { say, began: (child) => children.push(child) })
    if (code === 0 || first !== undefined) return
    first = code
    timers.push(setTimeout(stop, TO_FIND_OUT), setTimeout(killAll, TO_FIND_OUT + TO_STOP))
  })
  try {
    await Promise.all(ended)
    return first ?? 0
  } finally {
    for (const timer of timers) clearTimeout(timer)
    for (const name of TERMINAL) process.removeListener(name, stop)
    signal.removeEventListener('abort', stop)
    process.removeListener('exit', killAll)
  }
}

/** What each process of this host is told; where hosts are told of each other, they have as many processes each. */
export async function environmentsOf(env: Environment, processes: number): Promise<Environment[]> {
  const { TORCHELASTIC_USE_AGENT_STORE: _, ...others } = env
  const host = rendezvous(others)
  const port = host?.port ?? (await freePort())
  const common = {
    ...others,
    WORLD_SIZE: String(processes * (host?.world_size ?? 1)),
    LOCAL_WORLD_SIZE: String(processes),
    MASTER_ADDR: host?.address ?? '127.0.0.1',
    MASTER_PORT: String(port),
    OMP_NUM_THREADS:
      env.OMP_NUM_THREADS ?? String(Math.max(1, Math.floor(availableParallelism() / processes))),
  }
  return Array.from({ length: processes }, (_, i) => ({
    ...common,
    RANK: String((host?.rank ?? 0) * processes + i),
    LOCAL_RANK: String(i),
  }))
}

// A group of its own: Ctrl-C reaches it by way of this process, once. Results are those of rank 0.
function start([program, ...args]: readonly string[], env: Environment): ChildProcess {
  const isFirst = env.RANK === '0'
  return spawn(program!, args, {
    env,
    detached: true,
    stdio: isFirst ? ['inherit', 'inherit', 'inherit'] : ['ignore', 2, 'inherit'],
  })
}

/** Its exit code; one that cannot be started has failed. */
function runOne(
  command: readonly string[],
  env: Environment,
  { say, began }: Pick<LaunchOptions, 'say'> & { began: (child: ChildProcess) => void },
): Promise<number> {
  return new Promise((resolve) => {
    const failed = ({ message }: Error) => {
      say(`rank ${env.RANK} could not be started: ${message}`)
      resolve(FAILED)
    }
    try {
      const child = start(command, env)
      began(child)
      child.once('error', failed)
      child.once('exit', (code, signal) => {
        const how = signal ? `by ${signal}` : `with exit code ${code}`
        if (code !== 0) say(`rank ${env.RANK} (process ${child.pid}) ended ${how}`)
        resolve(code ?? FAILED)
      })
    } catch (error) {
      failed(error as Error) // spawn tells some by an event, and throws others
    }
  })
}

function stopAll(children: readonly ChildProcess[], signal: NodeJS.Signals): void {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill(signal)
}

/** One that nobody listens on now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
