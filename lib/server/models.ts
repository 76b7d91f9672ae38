/** The models of a server by name. */
import { openModelFolder } from '../checkpoint/model_folder'
import { modelSpec } from '../checkpoint/model_spec'
import { tableOption } from '../config/call_options'
import { TongueforgeError } from '../errors'
import { Encoder } from '../verbs/encoder'
import { loadModel } from '../verbs/load_model'
import type { LoadOptions } from '../verbs/load_options'
import { Model } from '../verbs/model'
import { RequestError } from './errors'

export type ServedKind = 'decoder' | 'encoder'

export interface ServedModel {
  id: string
  /** Seconds since 1970 at which it was there. */
  created: number
  model: Model | Encoder
}

/** A folder, which the server loads and frees, or a model that its user has loaded, with `serving`, and frees. */
export type ModelLike = string | Model | Encoder

const ROUTES: Record<ServedKind, string> = {
  decoder: '/v1/chat/completions and /v1/completions',
  encoder: '/v1/embeddings',
}

export class ServedModels {
  readonly #models = new Map<string, ServedModel>()
  readonly #own: (Model | Encoder)[] = []

  /** Loads what is not loaded. Throws what loadModel throws, and ERR_USAGE for what cannot be served. */
  static async open(given: Readonly<Record<string, ModelLike>>, options: LoadOptions): Promise<ServedModels> {
    tableOption('models', given, 'models')
    const served = new ServedModels()
    try {
      for (const [id, one] of Object.entries(given)) await served.#add(id, one, options)
    } catch (error) {
      await served.dispose()
      throw error
    }
    return served
  }

  async #add(id: string, given: ModelLike, options: LoadOptions): Promise<void> {
    const model = typeof given === 'string' ? await load(given, options) : given
    if (typeof given === 'string') this.#own.push(model)
    if (model instanceof Model)
      model.stats() // throws for one that does not serve
    else if (!(model instanceof Encoder)) throw notServed(id)
    this.#models.set(id, { id, created: Math.floor(Date.now() / 1000), model })
  }

  list(): ServedModel[] {
    return [...this.#models.values()]
  }

  /** Models that write text, by name. */
  decoders(): [string, Model][] {
    return this.list().flatMap(({ id, model }) => (model instanceof Model ? [[id, model]] : []))
  }

  /** The decoder of a request. Throws RequestError. */
  decoder(id: string | null | undefined): { id: string; model: Model } {
    return this.#find(id, 'decoder', (model) => model instanceof Model)
  }

  /** The encoder of a request. Throws RequestError. */
  encoder(id: string | null | undefined): { id: string; model: Encoder } {
    return this.#find(id, 'encoder', (model) => model instanceof Encoder)
  }

  #find<Kind extends Model | Encoder>(
    id: string | null | undefined,
    kind: ServedKind,
    is: (model: Model | Encoder) => model is Kind,
  ): { id: string; model: Kind } {
    const able = this.list().flatMap(({ id, model }) => (is(model) ? [{ id, model }] : []))
    const found = id == null ? able.length === 1 && able[0] : able.find((one) => one.id === id)
    if (found) return found
    throw id != null && this.#models.has(id) ? otherKind(id, kind) : unknownModel(id, able)
  }

  /** Frees the models that the server loaded, once what runs on them has ended. */
  async dispose(): Promise<void> {
    await Promise.all(this.#own.splice(0).map((model) => model.dispose()))
  }
}

/** What writes text serves; encoders take no such option. */
async function load(folder: string, { serving = true, ...options }: LoadOptions): Promise<Model | Encoder> {
  const { path, config, configFile } = await openModelFolder(folder)
  const { kind } = modelSpec(config, configFile, { quantized: true })
  return loadModel<Model | Encoder>(path, kind === 'decoder' ? { serving, ...options } : options)
}

function unknownModel(id: string | null | undefined, able: readonly { id: string }[]): RequestError {
  const names = able.map((one) => `'${one.id}'`).join(', ') || 'none'
  const received = id == null ? 'nothing' : `'${id}'`
  return new RequestError(`model: expected one of ${names}, received ${received}`, {
    status: id == null ? 400 : 404,
    code: id == null ? 'missing_model' : 'model_not_found',
    param: 'model',
  })
}

function otherKind(id: string, kind: ServedKind): RequestError {
  const other = kind === 'decoder' ? 'encoder' : 'decoder'
  return new RequestError(`model: '${id}' is for ${ROUTES[other]}`, {
    status: 400,
    code: 'unsupported_model',
    param: 'model',
  })
}

function notServed(id: string): TongueforgeError {
  return new TongueforgeError('ERR_USAGE', `${id}: expected a model that writes text, or a text encoder`, {
    hint: 'Speech encoders have no route of their own: call hiddenStates in one of yours.',
  })
}
