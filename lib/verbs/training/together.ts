/** Training in several processes: that they are enough and not too many, and train the same. */
import type { TrainConfig } from '../../config/train'
import { type Environment, rendezvous } from '../../distributed/rendezvous'
import { Team } from '../../distributed/team'
import { TongueforgeError } from '../../errors'
import { canonicalJson } from './identity'
import type { TrainPlan } from './plan'

/** Meets the other processes, if the environment tells of some. Throws ERR_USAGE, ERR_DISTRIBUTED. */
export async function joinTeam(
  { distributed, device }: TrainConfig,
  { environment = process.env }: { environment?: Environment | undefined },
  signal: AbortSignal,
): Promise<Team> {
  const { backend, timeout_seconds } = distributed
  const nccl = backend === 'nccl' || (backend === 'auto' && device.startsWith('cuda'))
  return Team.join(rendezvous(environment), { nccl, timeout_seconds }, signal)
}

/** Each process has a GPU of its own: the first of a host the first, unless the config names one. */
export function onDevice({ group, localRank }: Team, config: TrainConfig): TrainConfig {
  return group && config.device === 'cuda' ? { ...config, device: `cuda:${localRank}` } : config
}

/** Throws ERR_CONFIG where there are more processes than rows, ERR_DISTRIBUTED where they have different configs. */
export async function checkTeam(team: Team, config: TrainConfig): Promise<void> {
  const { batch_size, accumulation } = config
  const rows = batch_size * accumulation
  if (rows < team.size) {
    throw new TongueforgeError(
      'ERR_CONFIG',
      `config: batch_size: expected a row of each update for each of ${team.size} processes, received ${batch_size} x accumulation ${accumulation} = ${rows}`,
      {
        hint: 'The rows of an update are dealt out to all processes: raise batch_size or accumulation, or start fewer processes.',
        details: { key: 'batch_size' },
      },
    )
  }
  checkSharing(team, config)
  await checkSame(team, 'a config', config)
}

// Its state is small, and factors of a matrix are not to be cut.
function checkSharing({ group }: Team, { distributed, optimizer }: TrainConfig): void {
  if (!group || distributed.zero === 0 || optimizer.kind === 'adamw') return
  throw new TongueforgeError(
    'ERR_CONFIG',
    `config: distributed.zero: expected 0 with optimizer.kind ${optimizer.kind}, received ${distributed.zero}`,
    {
      hint: 'What adafactor keeps is small: leave distributed.zero out, or train with adamw.',
      details: { key: 'distributed.zero' },
    },
  )
}

/** Throws ERR_DISTRIBUTED where the data are not those of rank 0. */
export async function checkSameData(team: Team, plan: TrainPlan): Promise<void> {
  if (!team.group) return
  const { rows, statistics } = plan.data
  const { rowsPerEpoch, rowLength } = rows
  const { parameters } = plan.trained
  await checkSame(team, 'data and a model', {
    rowsPerEpoch,
    rowLength,
    parameters,
    tokens: statistics.tokens,
  })
}

async function checkSame(team: Team, what: string, own: object): Promise<void> {
  if (!team.group) return
  const told = await team.lead(async () => canonicalJson(own))
  if (told === canonicalJson(own)) return
  throw new TongueforgeError(
    'ERR_DISTRIBUTED',
    `expected ${what} that all processes share, and those of rank ${team.rank} are not those of rank 0`,
    {
      hint: 'Give all processes one command line, and all hosts the same files.',
      details: { ranks: String(team.rank) },
    },
  )
}
