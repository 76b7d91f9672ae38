// The bound of the graft's law with target = base and scale 1: |out - chat| <= (ulp32(d) + ulp(out)) / 2.
import { ulpOf } from './half_precision.mjs'
import { readArrays } from './safetensors.mjs'

/** The largest |out - chat| over its bound, over all weights of three float32 files of one file name. */
export function largestExcess(out, base, chat) {
  const [got, b, c] = [out, base, chat].map(readArrays)
  let worst = 0
  for (const name of Object.keys(c)) {
    c[name].data.forEach((value, i) => {
      const bound = (ulp(Math.fround(value - b[name].data[i])) + ulp(got[name].data[i])) / 2
      worst = Math.max(worst, Math.abs(got[name].data[i] - value) / bound)
    })
  }
  return worst
}

/** Distance of float32 neighbours at x. */
export const ulp = (x) => ulpOf(x, 'F32')
