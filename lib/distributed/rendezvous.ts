/** Where the processes of a run meet, as whoever started them says in the environment. */
import { TongueforgeError } from '../errors'

export interface Rendezvous {
  rank: number
  world_size: number
  /** Among the processes of this host: which of its GPUs is this one's. */
  local_rank: number
  /** Of the store where they meet. */
  address: string
  port: number
  /** Rank 0 serves the store, unless the agent of torchrun does. */
  serves_store: boolean
  agent_serves: boolean
  /** Of all keys in the store, which may outlive a run. */
  prefix: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Ports of SLURM jobs: below those that systems give away. */
const [FIRST_PORT, PORTS] = [15_000, 10_000]

/**
 * As torchrun, `tongueforge launch`, a Kubernetes PyTorchJob or SLURM's srun have set it; null: this process is alone.
 * Throws ERR_USAGE for variables that are missing or mean nothing.
 */
export function rendezvous(env: Environment): Rendezvous | null {
  const found = env.WORLD_SIZE !== undefined ? ofTorch(env) : ofSlurm(env)
  return found && found.world_size > 1 ? found : null
}

// torchrun, and whoever sets what torchrun sets. A PyTorchJob of one process a pod lacks what concerns a host.
function ofTorch(env: Environment): Rendezvous {
  const world_size = numberOf(env, 'WORLD_SIZE', 1)
  const rank = numberOf(env, 'RANK', 0, world_size - 1)
  const agent_serves = env.TORCHELASTIC_USE_AGENT_STORE === 'True'
  return {
    rank,
    world_size,
    local_rank: env.LOCAL_RANK === undefined ? 0 : numberOf(env, 'LOCAL_RANK', 0),
    address: world_size === 1 ? '' : textOf(env, 'MASTER_ADDR'),
    port: world_size === 1 ? 0 : numberOf(env, 'MASTER_PORT', 1, 65_535),
    serves_store: rank === 0 && !agent_serves,
    agent_serves,
    prefix: `${env.TORCHELASTIC_RUN_ID ?? 'run'}/${env.TORCHELASTIC_RESTART_COUNT ?? 0}`,
  }
}

// Of a step of srun: a batch script by itself has no step, and is one process.
function ofSlurm(env: Environment): Rendezvous | null {
  if (env.SLURM_STEP_NUM_TASKS === undefined || env.SLURM_PROCID === undefined) return null
  const world_size = numberOf(env, 'SLURM_STEP_NUM_TASKS', 1)
  const rank = numberOf(env, 'SLURM_PROCID', 0, world_size - 1)
  return {
    rank,
    world_size,
    local_rank: env.SLURM_LOCALID === undefined ? 0 : numberOf(env, 'SLURM_LOCALID', 0),
    address: env.MASTER_ADDR ?? firstHost(textOf(env, 'SLURM_STEP_NODELIST')),
    port:
      env.MASTER_PORT === undefined
        ? FIRST_PORT + (numberOf(env, 'SLURM_JOB_ID', 0) % PORTS)
        : numberOf(env, 'MASTER_PORT', 1, 65_535),
    serves_store: rank === 0,
    agent_serves: false,
    prefix: `slurm-${env.SLURM_JOB_ID ?? 0}.${env.SLURM_STEP_ID ?? 0}/${env.SLURM_RESTART_COUNT ?? 0}`,
  }
}

/** The first of `node[07-09,12],other`: node07. */
export function firstHost(list: string): string {
  const end = /,(?![^[]*\])/.exec(list)?.index
  return list.slice(0, end).replace(/\[([^\]]*)\]/g, (_, numbers: string) => /^\w*/.exec(numbers)![0])
}

function textOf(env: Environment, name: string): string {
  const text = env[name]
  if (text) return text
  throw misread(name, 'expected a value', text)
}

function numberOf(env: Environment, name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const text = env[name]
  const number = /^\d+$/.test(text ?? '') ? Number(text) : Number.NaN
  if (number >= least && number <= most) return number
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
  throw misread(name, `expected a whole number ${range}`, text)
}

function misread(name: string, expected: string, found: string | undefined): TongueforgeError {
  return new TongueforgeError(
    'ERR_USAGE',
    `environment: ${name}: ${expected}, received ${found === undefined ? 'none' : JSON.stringify(found)}`,
    {
      hint: 'Several processes are started by tongueforge launch, torchrun --no-python or srun: docs/distributed.md. One alone has no WORLD_SIZE.',
      details: { variable: name },
    },
  )
}
