/** What decides the bytes that a stage leaves, as one hash a stage: its keys, what it reads, the hashes of its models. */
import { createHash } from 'node:crypto'
import { openModelFolder } from '../../checkpoint/model_folder'
import type { InputRecord } from '../../checkpoint/provenance'
import { canonicalJson, recordWhole } from '../training/identity'
import type { AdaptFolder } from './folder'
import type { ModelRef, PlannedStage, Reading } from './stage'
import { STAGE_KINDS } from './stages'

export class Identity {
  /** Models of the user behind all hashes so far, for provenance.json. */
  readonly inputs: InputRecord[] = []
  readonly #stages = new Map<string, string>()
  readonly #folders = new Map<string, string>()

  constructor(
    private readonly folder: AdaptFolder,
    private readonly reading: Reading,
  ) {}

  /** Reads what a stage reads, once. Those that it stands on come first. Throws ERR_NOT_FOUND, ERR_DATA, ERR_CONFIG. */
  async add(stage: PlannedStage): Promise<void> {
    const kind = STAGE_KINDS[stage.verb]
    const config = await kind.read(this.folder.configOf(stage))
    const models: Record<string, string> = {}
    for (const [role, model] of Object.entries(stage.models)) models[role] = await this.#model(role, model)
    const content = await kind.content(config, this.reading)
    const told = { verb: stage.verb, keys: kind.decisive(config), content }
    this.#stages.set(stage.name, hashOf({ ...told, models }))
  }

  of(stage: string): string {
    return this.#stages.get(stage)!
  }

  async #model(role: string, model: ModelRef): Promise<string> {
    if ('stage' in model) return this.of(model.stage)
    const known = this.#folders.get(model.folder)
    if (known !== undefined) return known
    const opened = await openModelFolder(model.folder)
    const { content, input } = await recordWhole(role, opened, this.reading.signal)
    this.inputs.push(input)
    this.#folders.set(model.folder, hashOf(content))
    return this.#folders.get(model.folder)!
  }
}

export const hashOf = (content: object) => createHash('sha256').update(canonicalJson(content)).digest('hex')
