// The native trainer without data files: step i trains on ids that are a function of i.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'

const ROWS = 2
const LENGTH = 32
export const MICRO_STEPS = 4
const OPTIMIZER = { kind: 'adamw', beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.01, decay_all: true }

export class TrainingSteps {
  #model
  #trainer
  #vocabulary

  static async open(folder, { threads = 1, device = 'cpu' } = {}) {
    const steps = new TrainingSteps()
    const spec = decoderSpec(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')))
    steps.threads = threads
    steps.#vocabulary = spec.vocab_size
    steps.#model = await runJob('loadModel', { folder, spec, dtype: 'float32', device, threads })
    steps.#trainer = await runJob('makeTrainer', {
      model: steps.#model,
      optimizer: OPTIMIZER,
      loss: { kind: 'language' },
      dtype: 'float32',
      frozen: [],
      seed: 0,
    })
    return steps
  }

  /** Takes update number `step`; resolves with {loss, grad_norm, tokens}. */
  step(step, callbacks = {}) {
    const batches = Array.from({ length: MICRO_STEPS }, (_, micro) => this.#batch(step * MICRO_STEPS + micro))
    const options = { trainer: this.#trainer, batches, lr: 1e-3, clip: 1, step, threads: this.threads }
    return runJob('trainStep', options, callbacks)
  }

  /** Writes weights and optimizer state; resolves with their bytes. */
  async save(folder) {
    const path = join(folder, 'state.safetensors')
    await runJob('trainSave', { trainer: this.#trainer, path })
    return readFile(path)
  }

  dispose() {
    native().dispose(this.#trainer)
    native().dispose(this.#model)
  }

  #batch(number) {
    const ids = Int32Array.from({ length: ROWS * LENGTH }, (_, i) => (i * i + 7 * number) % this.#vocabulary)
    return { ids, labels: ids, segments: new Int32Array(ROWS * LENGTH), rows: ROWS }
  }
}
