// What bench/gpu.mjs prints: the rows of a part, with the shares of what the card can do.
import { tableText } from '#lib/cli/print'

const whole = (value) => (value === undefined ? '' : Math.round(value).toLocaleString('en'))
const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(0)} %` : '')
const gigabytes = (bytes) => (bytes ? (bytes / 2 ** 30).toFixed(1) : '')

/** The limits of the card, where that part has run. */
const limitsOf = (rows) => rows.find((row) => row.part === 'limits' && row.gemm_tflops) ?? {}

const COLUMNS = {
  tests: ({ who, passed, error }) => ({ who, outcome: error ?? passed }),
  limits: ({ card, gemm_tflops, copy_gb_per_second, error }) => ({
    card,
    'products TFLOP/s': error ?? gemm_tflops?.toFixed(0),
    'copy GB/s': copy_gb_per_second?.toFixed(0),
  }),
  kernels: ({ op, dtype, pass, fused_ms, plain_ms, gb_per_s, share_of_copy, error }) => ({
    op: error ?? op,
    dtype,
    pass,
    ms: fused_ms,
    'plain ms': plain_ms,
    'GB/s': gb_per_s,
    'of copy': percent(share_of_copy),
  }),
  train: (row, { gemm_tflops }, fastest) => ({
    size: row.size,
    rows: row.documents,
    who: row.graph === 'auto' ? `${row.who}, recorded` : row.who,
    'tokens/s': row.error ?? whole(row.tokens_per_second),
    'TFLOP/s': whole(row.tflops),
    'of products': percent(row.tflops / gemm_tflops),
    'GiB peak': gigabytes(row.peak_bytes),
    'ours is': ratio(row, fastest),
  }),
  decode: (row, { copy_gb_per_second }, fastest) => ({
    size: row.size,
    who: row.who,
    'tokens/s': row.error ?? row.tokens_per_second?.toFixed(1),
    'of bandwidth': percent((row.tokens_per_second * row.weight_bytes) / copy_gb_per_second / 1e9),
    'ours is': ratio(row, fastest),
  }),
  graft: ({ size, seconds, gb_per_second, error }) => ({
    size,
    seconds: error ?? seconds?.toFixed(2),
    'GB/s': gb_per_second?.toFixed(2),
  }),
}

// Of our fastest row of that size over this one.
function ratio(row, ours) {
  const mine = ours.filter((one) => one.size === row.size && one.documents === row.documents)
  const times = Math.max(...mine.map((one) => one.tokens_per_second)) / row.tokens_per_second
  return row.who === 'ours' || !Number.isFinite(times) ? '' : `${times.toFixed(2)} x`
}

export function table(part, all) {
  const rows = all.filter((row) => row.part === part)
  const ours = rows.filter((row) => row.who === 'ours' && row.tokens_per_second)
  const cells = rows.map((row) => COLUMNS[part](row, limitsOf(all), ours))
  const filled = cells.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, value ?? ''])),
  )
  return `\n${part}\n${tableText(filled)}`
}
