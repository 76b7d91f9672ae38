/** The weights that a model's calls run on: those that were loaded, or what a graft has made of them. */
import { type Handle, native } from '../../native'
import type { Engine } from '../serving/engine'

export class LiveWeights {
  #now: Handle
  /** The last change, done or not: they come one after another. */
  #change: Promise<unknown> = Promise.resolve()

  constructor(
    readonly loaded: Handle,
    private readonly engine: Engine | undefined,
  ) {
    this.#now = loaded
  }

  get now(): Handle {
    return this.#now
  }

  /** Runs what will `use` other weights, behind the changes that were begun before. */
  change<Result>(work: () => Promise<Result>): Promise<Result> {
    const change = this.#change.then(work)
    this.#change = change.catch(() => {})
    return change
  }

  /** Running calls share in the weights, and free those that are used no more when they end. */
  use(weights: Handle): void {
    this.engine?.use(weights)
    this.#free(weights)
  }

  dispose(): void {
    this.#free(this.loaded)
    native().dispose(this.loaded)
  }

  #free(weights: Handle): void {
    const before = this.#now
    this.#now = weights
    if (before !== this.loaded) native().dispose(before)
  }
}
