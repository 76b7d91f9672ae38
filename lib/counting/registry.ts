/** Sizes of every model that has a spec: a kind a row. */
import type { DecoderSpec as ModelSpec } from '../checkpoint/model_config'
import { decoderSize } from './decoder'
import type { ModelSize } from './model_size'

type Sizes = { [Kind in ModelSpec['kind']]: (spec: Extract<ModelSpec, { kind: Kind }>) => ModelSize }

const SIZES: Sizes = { decoder: decoderSize }

export const modelSize = (spec: ModelSpec): ModelSize => SIZES[spec.kind](spec)
