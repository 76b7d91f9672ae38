/** curves.svg: the losses of a run over its updates, for whoever opens the folder. */
import { basename } from 'node:path'
import { type Line, lineChart } from '../../report/chart'
import type { RunFolder } from './run_folder'
import type { Session } from './session'
import type { Evaluation } from './state'

/** Points of the training loss; each is the mean over its stretch of updates. */
const POINTS = 200

/** Draws the losses, of all sessions of the run. */
export async function writeCurves(folder: RunFolder, { losses, state }: Session): Promise<void> {
  const points = lossPoints(losses, state.evaluations)
  const chart = { title: basename(folder.path), x: 'updates', y: 'loss', points }
  await folder.write('curves.svg', await lineChart(chart))
}

/** Training first, then held-out data: each source, where there are several, and all of them. Infinities are left out. */
export function lossPoints(losses: readonly number[], evaluations: readonly Evaluation[]): Line[] {
  const stretch = Math.ceil(losses.length / POINTS)
  const training = []
  for (let begin = 0; begin < losses.length; begin += stretch) {
    const part = losses.slice(begin, begin + stretch)
    const y = part.reduce((sum, loss) => sum + loss, 0) / part.length
    training.push({ x: begin + part.length, y, series: 'training' })
  }
  const heldOut = evaluations.flatMap(({ step, loss, losses: bySource = {} }) => {
    const sources = Object.entries(bySource)
    const apart = sources.length < 2 ? [] : sources.map(([name, y]) => ({ x: step, y, series: name }))
    return [{ x: step, y: loss, series: 'held out' }, ...apart]
  })
  return [...training, ...heldOut].filter(({ y }) => Number.isFinite(y))
}
