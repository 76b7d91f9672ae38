/** MT-Bench: instructions in two turns, whose answers a judge rates (arXiv 2306.05685). */
import { judgedBenchmark } from './judging/benchmark'

export const MT_BENCH = judgedBenchmark(
  'mt_bench',
  'mt_bench',
  'instructions in two turns, of eight categories, rated by a judge',
)
