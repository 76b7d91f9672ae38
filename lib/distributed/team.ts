/** The processes that do one piece of work together: rank 0 decides and writes, the others follow it. */
import { deserialize, serialize } from 'node:v8'
import { TongueforgeError, toTongueforgeError } from '../errors'
import { type Handle, native, runJob } from '../native'
import type { Rendezvous } from './rendezvous'

export interface TeamSettings {
  /** Tensors of GPUs go by NCCL. */
  nccl: boolean
  timeout_seconds: number
}

/** What rank 0 tells of a piece of its work. */
type Told = { result: unknown } | { failure: ReturnType<TongueforgeError['toJSON']>; stopped: boolean }

let joined = 0

export class Team {
  /** This process by itself. */
  static readonly alone = new Team({ rank: 0, world_size: 1, local_rank: 0 }, undefined)

  readonly rank: number
  readonly size: number
  readonly localRank: number
  /** One of them was told to stop: all stop at the same place. */
  stopped = false
  private turn = 0

  private constructor(
    { rank, world_size, local_rank }: Pick<Rendezvous, 'rank' | 'world_size' | 'local_rank'>,
    readonly group: Handle | undefined,
  ) {
    this.rank = rank
    this.size = world_size
    this.localRank = local_rank
  }

  /** Meets the others at their place; null: there are none. Throws ERR_DISTRIBUTED. */
  static async join(
    place: Rendezvous | null,
    { nccl, timeout_seconds }: TeamSettings,
    signal: AbortSignal,
  ): Promise<Team> {
    if (!place) return Team.alone
    const { rank, world_size: size, address, port, serves_store, agent_serves } = place
    const prefix = `${place.prefix}/${joined++}` // in the same order in all of them
    const where = { rank, size, address, port, serves_store, agent_serves, prefix }
    return new Team(place, await runJob('joinGroup', { ...where, nccl, timeout_seconds }, { signal }))
  }

  get leads(): boolean {
    return this.rank === 0
  }

  /**
   * Rank 0 does a piece of work, and all have its result, or its failure. The others do their part of it meanwhile, and
   * wait as long as rank 0 lives: it may take its time. All call this in one order.
   */
  async lead<Result>(
    work: () => Promise<Result>,
    { meanwhile, signal }: { meanwhile?: () => Promise<void>; signal?: AbortSignal } = {},
  ): Promise<Result> {
    const { group } = this
    if (!group) return work()
    const name = `turn/${this.turn++}`
    if (!this.leads) {
      await meanwhile?.()
      return this.#taken(opened(await runJob('groupAwait', { group, name, from: 0 }))) as Result
    }
    try {
      const result = await work()
      await runJob('groupPost', { group, name, text: closed({ result }) })
      return result
    } catch (error) {
      if (signal?.aborted) this.stopped = true
      const failure = withoutObjects(toTongueforgeError(error).toJSON())
      const text = closed({ failure, stopped: this.stopped })
      await runJob('groupPost', { group, name, text })
      throw error
    }
  }

  /** Does a piece of work in all of them, in rank 0 first. */
  async first<Result>(work: () => Promise<Result>): Promise<Result> {
    let result: Result | undefined
    await this.lead(async () => {
      result = await work()
    })
    return this.leads ? (result as Result) : work()
  }

  /** Tells the others that this process has ended, and how. */
  async leave(failure?: unknown): Promise<void> {
    const { group } = this
    if (!group) return
    const error = failure === undefined ? undefined : toTongueforgeError(failure)
    await runJob('leaveGroup', {
      group,
      ...(error && { failure: { code: error.code, message: error.message } }),
    }).catch(() => {}) // whoever waits for it meets its silence
    native().dispose(group)
  }

  #taken(told: Told): unknown {
    if ('result' in told) return told.result
    if (told.stopped) this.stopped = true
    const { code, message, hint, details } = told.failure
    throw new TongueforgeError(code, message, { hint, details })
  }
}

// Text, for native code; numbers that are none survive it.
const closed = (told: Told) => serialize(told).toString('base64')
const opened = (text: string) => deserialize(Buffer.from(text, 'base64')) as Told

// Details may hold what cannot be sent.
const withoutObjects = (failure: ReturnType<TongueforgeError['toJSON']>) =>
  JSON.parse(JSON.stringify(failure)) as typeof failure
