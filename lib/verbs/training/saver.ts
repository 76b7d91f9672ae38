/** Saves the state of a run, in the loop or beside it: training then goes on while a copy is written. */

import { checkSpace } from '../../checkpoint/disk_space'
import type { Checkpoint, Checkpoints } from './checkpoints'
import { ROOM_HINT } from './disk_space'
import type { RunState } from './state'
import type { Trainer } from './trainer'

export interface SaverOptions {
  /** Write a copy beside the training, one at a time. */
  async: boolean
  /** Of one checkpoint. */
  bytes: number
  onSaved: (checkpoint: Checkpoint) => void
}

export class Saver {
  private flight: Promise<void> = Promise.resolve()
  private failure: { error: unknown } | undefined

  constructor(
    private readonly checkpoints: Checkpoints,
    private readonly options: SaverOptions,
  ) {}

  /** Waits for a save that is still under way; with `async`, for the copy of this one and no longer. */
  async save(trainer: Trainer, state: RunState): Promise<void> {
    await this.settle()
    await checkSpace(this.checkpoints.folder, this.options.bytes, 'a checkpoint', ROOM_HINT)
    if (!this.options.async) {
      this.options.onSaved(await this.checkpoints.save(trainer, state))
      return
    }
    const snapshot = await trainer.snapshot()
    const frozen = structuredClone(state)
    this.flight = this.checkpoints
      .save(snapshot, frozen)
      .then(this.options.onSaved)
      .catch((error) => {
        this.failure = { error }
      })
      .finally(() => snapshot.dispose())
  }

  /** Throws, once, what a save beside the training has met: to be called before every step. */
  check(): void {
    const { failure } = this
    this.failure = undefined
    if (failure) throw failure.error
  }

  /** Waits until nothing is being written any more. Throws as `check` does. */
  async settle(): Promise<void> {
    await this.flight
    this.check()
  }
}
