/** One table of start and arms on the same tasks, with what differs from the start on the same documents. */

import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import type { ChosenTasks } from '../../tasks/registry'
import { type Difference, differenceOf } from '../evaluating/compare'
import { readAllSamples, samplesFile } from '../evaluating/record'
import type { EvaluationRow } from '../evaluating/report'
import { START } from './plan'

export interface Measured {
  /** `start`, or that of an arm. */
  name: string
  /** Run folder of its evaluation. */
  folder: string
}

/** Rows by task and metric, models side by side. Throws ERR_DATA, ERR_NOT_FOUND for a folder that was tampered with. */
export async function tableOf(
  measured: readonly Measured[],
  { groups }: Pick<ChosenTasks, 'groups'>,
): Promise<EvaluationRow[]> {
  const start = measured.find(({ name }) => name === START)!
  const rows: EvaluationRow[] = []
  for (const one of measured) {
    for (const row of await resultsOf(one)) {
      const tasks = groups.find(({ name }) => row.group && name === row.task)?.tasks ?? [row.task]
      const difference = one === start ? undefined : await differenceBetween(row.metric, tasks, one, start)
      rows.push({ ...row, ...(difference && { difference }) })
    }
  }
  const key = ({ task, metric }: EvaluationRow) => `${task} ${metric}`
  return [...new Set(rows.map(key))].flatMap((name) => rows.filter((row) => key(row) === name))
}

async function resultsOf({ folder }: Measured): Promise<EvaluationRow[]> {
  const file = join(folder, 'report.json')
  const report = await readJsonObjectIfPresent(file, { code: 'ERR_DATA' })
  if (Array.isArray(report?.results)) return report.results as unknown as EvaluationRow[]
  throw new TongueforgeError('ERR_DATA', `${file}: expected the results of an evaluation, found none`, {
    hint: `Delete the folder ${folder}, and go on with --resume.`,
    details: { file },
  })
}

async function differenceBetween(
  metric: string,
  tasks: readonly string[],
  one: Measured,
  start: Measured,
): Promise<Difference | undefined> {
  const samples = ({ name, folder }: Measured) =>
    readAllSamples(tasks.map((task) => samplesFile(folder, name, task)))
  return differenceOf(metric, await samples(one), await samples(start))
}
