/** How long models take, as native code measures it. */

/** Seconds of one product of a linear layer, and whether its zeros are left out from now on. */
export interface ProductTimes {
  dense_seconds: number
  sparse_seconds: number
  sparse: boolean
}

/** A layer with many zeros, timed: native/models/sparse_layers.h. */
export interface SparseLayer {
  name: string
  /** Share of its weights. */
  zeros: number
  /** With one row, as in decoding. */
  one: ProductTimes
  /** With those of a prompt. */
  more: ProductTimes
}

/** Seconds by run: native/generate/speed.h. */
export interface MeasuredSpeed {
  threads: number
  warm_up: number
  pass: number[]
  first_token: number[]
  token: number[]
}
