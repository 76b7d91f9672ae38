/** How long models take, as native code measures it. */

/** Seconds of one product of a linear layer, dense and another way, and whether that is how it is made from now on. */
export type ProductTimes<Way extends string> = Record<'dense_seconds' | `${Way}_seconds`, number> &
  Record<Way, boolean>

/** A layer with many zeros, timed: native/models/sparse_layers.h. */
export interface SparseLayer {
  name: string
  /** Share of its weights. */
  zeros: number
  /** With one row, as in decoding. */
  one: ProductTimes<'sparse'>
  /** With those of a prompt. */
  more: ProductTimes<'sparse'>
}

/** A quantised layer, timed: native/models/packed_layers.h. */
export interface PackedLayer {
  name: string
  bits: 4 | 8
  /** With one row, as in decoding. */
  one: ProductTimes<'packed'>
  /** With those of a prompt. */
  more: ProductTimes<'packed'>
}

/** Seconds by run: native/generate/speed.h. */
export interface MeasuredSpeed {
  threads: number
  warm_up: number
  pass: number[]
  first_token: number[]
  token: number[]
}
