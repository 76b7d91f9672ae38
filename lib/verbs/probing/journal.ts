/** How far a run has come, in its hidden folder: probes that are learned are not learned again. */
import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { writeJson, writeText } from '../../checkpoint/write_folder'
import { mkdir, rm } from '../../writes'
import type { ProbeFigures } from './figures'
import type { FittedFigures } from './fit'
import { KINDS } from './kinds'
import type { PlannedProbe, ProbePlan } from './plan'

/** Of the publishing of folders: who finds it there may go on. */
const JOURNAL = '.journal'
const HEADS = 'heads'
const PREDICTIONS = 'predictions'

/** What the heads of a probe are called, one a training. */
export const headNames = (name: string, trainings: number): string[] =>
  trainings === 1 ? [name] : Array.from({ length: trainings }, (_, fold) => `${name}-${fold + 1}`)

export class ProbeJournal {
  private constructor(
    private readonly staged: string,
    private readonly identity: string,
    /** By name. */
    readonly done: Record<string, ProbeFigures>,
  ) {}

  /** Takes over what an earlier run of the same has learned; what another one left is removed. */
  static async open(staged: string, identity: string): Promise<ProbeJournal> {
    const found = await readJsonObjectIfPresent(join(staged, JOURNAL), { code: 'ERR_CHECKPOINT' })
    const same = found?.identity === identity
    if (!same)
      for (const name of [JOURNAL, HEADS, PREDICTIONS])
        await rm(join(staged, name), { recursive: true, force: true })
    for (const name of [HEADS, PREDICTIONS]) await mkdir(join(staged, name), { recursive: true })
    // Without a prototype: no name of a probe, such as __proto__, can mean anything but itself.
    const done = Object.assign(Object.create(null), same ? found.done : {})
    return new ProbeJournal(staged, identity, done)
  }

  /** Free for the head of a training. */
  async headPath({ config, trains }: PlannedProbe): Promise<(fold: number) => string> {
    const path = (fold: number) =>
      join(this.staged, HEADS, `${headNames(config.name, trains.length)[fold]}.safetensors`)
    for (const fold of trains.keys()) await rm(path(fold), { force: true })
    return path
  }

  /** To be called once its heads are written. */
  async record(probe: PlannedProbe, plan: ProbePlan, fitted: FittedFigures): Promise<void> {
    const { name } = probe.config
    await writeText(this.staged, join(PREDICTIONS, `${name}.jsonl`), predictionLines(probe, plan, fitted))
    this.done[name] = fitted.figures
    await writeJson(this.staged, JOURNAL, { identity: this.identity, done: this.done })
  }
}

/** A line an utterance of the test and training. */
function predictionLines(
  { config, classes, trains, test }: PlannedProbe,
  { utterances }: ProbePlan,
  { predictions }: FittedFigures,
): string {
  const { shown } = KINDS[config.kind]
  return predictions
    .flatMap((foretold, fold) =>
      foretold.map((prediction, i) => ({
        utterance: utterances[test.utterances[i]!]!.name,
        ...(trains.length > 1 && { fold: fold + 1 }),
        reference: shown(test.targets[i]!, classes),
        prediction: shown(prediction, classes),
      })),
    )
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('')
}
