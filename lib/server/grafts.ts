/** Chat vectors that clients may put on models: those that the server names, and no path of theirs. */
import { tableOption } from '../config/call_options'
import { toTongueforgeError } from '../errors'
import { checkDelta, type Delta } from '../verbs/live/deltas'
import type { LiveGraftReport } from '../verbs/live/graft'
import type { Model } from '../verbs/model'
import { RequestError } from './errors'

/** What is wrong where a delta is of another model. */
const UNSUITABLE = new Set([
  ...[
    'ERR_ARCHITECTURE',
    'ERR_VOCABULARY',
    'ERR_SHAPE_MISMATCH',
    'ERR_MISSING_TENSOR',
    'ERR_UNEXPECTED_TENSOR',
  ],
  ...['ERR_DTYPE', 'ERR_TIED_WEIGHTS', 'ERR_WRONG_BASE', 'ERR_MODEL_CONFIG'],
])

export interface Grafted {
  delta: string
  scale: number
}

export class Grafts {
  readonly #grafted = new Map<Model, Grafted>()

  /** Throws ERR_USAGE for what is no delta. */
  constructor(private readonly deltas: Readonly<Record<string, Delta>>) {
    for (const delta of Object.values(tableOption('deltas', deltas, 'deltas'))) checkDelta(delta)
  }

  names(): string[] {
    return Object.keys(this.deltas)
  }

  /** What is on a model now. */
  of(model: Model): Grafted | null {
    return this.#grafted.get(model) ?? null
  }

  /** Puts a delta on a model in the place of another one: for requests that come from then on. Throws RequestError. */
  async put(model: Model, { delta, scale }: Grafted, signal: AbortSignal): Promise<LiveGraftReport> {
    if (!Object.hasOwn(this.deltas, delta)) throw this.#unknown(delta)
    try {
      const report = await model.graft(this.deltas[delta]!, { scale, signal })
      this.#grafted.set(model, { delta, scale })
      return report
    } catch (error) {
      throw UNSUITABLE.has(toTongueforgeError(error).code) ? unsuitable(delta, error) : error
    }
  }

  async takeOff(model: Model): Promise<void> {
    await model.ungraft()
    this.#grafted.delete(model)
  }

  #unknown(delta: string): RequestError {
    const names = this.names().map((name) => `'${name}'`)
    return new RequestError(`delta: expected one of ${names.join(', ') || 'none'}, received '${delta}'`, {
      status: 404,
      code: 'delta_not_found',
      param: 'delta',
    })
  }
}

/** In words that tell nothing of the disk. */
function unsuitable(delta: string, cause: unknown): RequestError {
  const { code } = toTongueforgeError(cause)
  return new RequestError(`delta: '${delta}' does not fit this model (${code})`, {
    status: 400,
    code: 'unsuitable_delta',
    param: 'delta',
  })
}
