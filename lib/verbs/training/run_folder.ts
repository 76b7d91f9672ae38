/** The folder of a training: its record kept while training, its result published at the end. */
import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { TrainConfig } from '../../config/train'
import { otherConfig } from './checkpoints'
import { ClaimedFolder } from './claimed_folder'
import type { Metrics } from './metrics'
import type { Sample } from './samples'
import { StepLines } from './step_lines'

export class RunFolder extends ClaimedFolder<TrainConfig> {
  readonly model: string
  readonly adapter: string
  readonly metrics: StepLines<Metrics>
  readonly samples: StepLines<Sample>

  constructor(config: TrainConfig) {
    super(config, inputsOf(config))
    this.model = join(this.path, 'model')
    this.adapter = join(this.path, 'adapter')
    this.metrics = new StepLines(join(this.path, 'metrics.jsonl'), 'metrics')
    this.samples = new StepLines(join(this.path, 'samples.jsonl'), 'samples')
  }

  /** Whether the run ends with a model folder: all do, but those that leave their adapter apart. */
  get makesModel(): boolean {
    return this.config.lora?.merge !== false
  }

  /** Where the result is, or will be: what to load to have the trained model. */
  places(start: ModelFolder | undefined): { model: string; adapter?: string } {
    const model = this.makesModel ? this.model : start!.path
    return { model, ...(this.config.lora && { adapter: this.adapter }) }
  }

  /** The report of an earlier run that has come to its end. Throws ERR_CHECKPOINT if its config was another. */
  async result(configHash: string): Promise<object | undefined> {
    const report = await readJsonObjectIfPresent(
      join(this.makesModel ? this.model : this.adapter, 'report.json'),
      { code: 'ERR_DATA' },
    )
    if (report === undefined || report.config_sha256 === configHash) return report
    throw otherConfig(this.path, 'a finished run')
  }
}

/** Files and folders that a training reads. */
export function inputsOf({
  model,
  teacher,
  tokenizer,
  adapter,
  data,
  replay = [],
  eval: evaluation,
  dpo,
  sound,
}: TrainConfig): (string | undefined)[] {
  const prompts = evaluation?.samples?.prompts
  return [
    model,
    teacher,
    ...(typeof prompts === 'string' ? [prompts] : []),
    tokenizer,
    adapter,
    dpo.reference,
    sound?.targets,
    ...[...data, ...replay, ...(evaluation?.data ?? [])].map(({ path }) => path),
  ]
}
