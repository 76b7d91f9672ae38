/** The time that chat templates write: of a run's first session, so that each one that goes on has the same documents. */
import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { jsonText } from '../../checkpoint/write_folder'
import { TongueforgeError } from '../../errors'
import type { ClaimedFolder } from './claimed_folder'

/** In the run folder of a model whose template asks for the time. */
export const TIME_FILE = 'template_time.json'

/** A moment without its zone, as `2026-11-27T20:19:33`: the same date wherever the run goes on. */
export function localTime(now = new Date()): string {
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

/** Keeps what a run began with in its folder, for the sessions that go on with it. */
export const keepTime = (folder: Pick<ClaimedFolder, 'write'>, began: string): Promise<void> =>
  folder.write(TIME_FILE, jsonText({ version: 1, local_time: began }))

/** What the run in a folder began with, if it kept that. Throws ERR_CHECKPOINT for a file that says no time. */
export async function timeOf(folder: string): Promise<string | undefined> {
  const file = join(folder, TIME_FILE)
  const content = await readJsonObjectIfPresent(file, { code: 'ERR_CHECKPOINT' })
  if (content === undefined) return undefined
  const { local_time: time } = content
  if (
    typeof time === 'string' &&
    /^\d{4}(-\d\d){2}T\d\d(:\d\d){2}$/.test(time) &&
    !Number.isNaN(Date.parse(time))
  )
    return time
  throw new TongueforgeError(
    'ERR_CHECKPOINT',
    `${file}: local_time: expected a time such as 2026-11-27T20:19:33, received ${JSON.stringify(time)}`,
    {
      hint: 'Write the time at which the run began. Without the file the run goes on with the time of today, on other documents.',
      details: { file, received: time },
    },
  )
}
