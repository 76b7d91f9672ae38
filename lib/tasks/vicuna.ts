/** The Vicuna benchmark: instructions in one turn, whose answers a judge rates. */
import { judgedBenchmark } from './judging/benchmark'

export const VICUNA = judgedBenchmark(
  'vicuna',
  'vicuna_bench',
  'instructions in one turn, of nine categories, rated by a judge',
)
