/** A verb that follows a config and is told of by a view: started, heard to its end, gone on with where it was stopped. */
import type { ConfiguredOptions, Run } from '../verbs/run'
import { resumable } from './interruption'
import { pick } from './options'
import type { Io } from './verb'

/** What may be asked on the command line of such a verb. */
export interface FollowedValues {
  dryRun?: boolean
  resume?: boolean
  overwrite?: boolean
}

/** What says how the work goes. */
interface View<Event, Progress> {
  event(event: Event): void
  progress(work: Progress): void
  warning(message: string): void
}

/** Resolves with what the run ends with; `start` is given all that it may be told. */
export async function followed<Event, Progress, Result>(
  view: View<Event, Progress>,
  { overrides, values, io }: { overrides: readonly string[]; values: FollowedValues; io: Io },
  start: (options: ConfiguredOptions<Progress> & { onKept: () => void }) => Run<Event, Result>,
): Promise<Result> {
  const result = await resumable(async (onKept) => {
    const run = start({
      ...pick(values, ['dryRun', 'resume', 'overwrite']),
      ...{ overrides, signal: io.signal, onKept },
      onWarning: (message) => view.warning(message),
      onProgress: (work) => view.progress(work),
    })
    for await (const event of run) view.event(event)
    return run.result
  })
  io.progress.end()
  return result
}
