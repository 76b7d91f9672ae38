/** Sizes of every model that has a spec: a kind a row. */
import type { ModelSpec } from '../checkpoint/model_spec'
import { decoderSize } from './decoder'
import type { ModelSize } from './model_size'
import { speechSize } from './speech'
import { encoderSize } from './text_encoder'

type Sizes = { [Kind in ModelSpec['kind']]: (spec: Extract<ModelSpec, { kind: Kind }>) => ModelSize }

const SIZES: Sizes = { decoder: decoderSize, encoder: encoderSize, speech: speechSize }

export const modelSize = (spec: ModelSpec): ModelSize => SIZES[spec.kind](spec as never)
