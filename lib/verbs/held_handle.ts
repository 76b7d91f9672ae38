/** A native object that calls run on: it goes when it is disposed of and the last call has ended. */
import { type Handle, type JobCallbacks, type NativeJobs, native, runJob } from '../native'
import { RunningCalls } from './running_calls'

/** Runs a job on the object. */
export type RunOnHandle = <Name extends keyof NativeJobs>(
  name: Name,
  options: Omit<NativeJobs[Name][0], 'model'>,
  callbacks?: JobCallbacks,
) => Promise<NativeJobs[Name][1]>

export class HeldHandle {
  readonly #calls: RunningCalls
  #gone: Promise<void> | undefined

  /** `what`: named in the error of a call that comes too late. */
  constructor(
    private readonly handle: Handle,
    what: string,
  ) {
    this.#calls = new RunningCalls(what)
  }

  /** A whole call, with as many jobs as it has: the object stays until it has ended. Rejects with ERR_DISPOSED. */
  call<Result>(work: (run: RunOnHandle) => Promise<Result>): Promise<Result> {
    return this.#calls.run(() =>
      work((name, options, callbacks = {}) =>
        runJob(name, { ...options, model: this.handle } as NativeJobs[typeof name][0], callbacks),
      ),
    )
  }

  /** Refuses later calls at once; done when those that ran have ended and the object is free. */
  dispose(): Promise<void> {
    this.#gone ??= this.#calls.end().then(() => native().dispose(this.handle))
    return this.#gone
  }
}
