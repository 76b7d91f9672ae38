/** What a model is worth, by the verb `evaluate`: a folder for each, so that models may go. */
import { recordInput } from '../../../checkpoint/provenance'
import type { EvaluateConfig } from '../../../config/evaluate'
import { chooseTasks } from '../../../tasks/registry'
import { type EvaluateReport, evaluate } from '../../evaluate'
import { openTask } from '../../evaluating/open_task'
import { decisive, readEvaluateConfig } from '../../evaluating/plan'
import { again } from '../again'
import type { StageKind } from '../stage'

const stage: StageKind<EvaluateConfig> = {
  makesModel: false,
  read: async (config) => (await readEvaluateConfig(config, [])).config,
  decisive: ({ num_fewshot }) => ({ num_fewshot }),
  async content(config, { signal }) {
    const { tasks } = await chooseTasks(config.tasks)
    const all = []
    for (const task of tasks) {
      const opened = await openTask(task, config, signal)
      const hashes = []
      for (const file of opened.files)
        hashes.push((await recordInput('data', file, [], signal)).files[0]!.sha256)
      all.push({ name: task.name, version: task.version, hashes, ...decisive(config, opened) })
    }
    return all
  },
  run: (config, { signal, onWarning, onProgress, onKept }) =>
    again(async (how) => {
      const run = evaluate(config, { ...how, signal, onWarning, onProgress, onKept })
      const report = (await run.result) as EvaluateReport
      return {
        figures: { tasks: config.tasks.length, numbers: report.results.length },
        seconds: report.seconds,
      }
    }),
}

export default stage
