// What every bench prints: minimum, median, maximum of some runs, and the machine.
import { cpus } from 'node:os'

export function summary(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const round = (value) => Number(value.toPrecision(4))
  return {
    min: round(sorted[0]),
    median: round(sorted[sorted.length >> 1]),
    max: round(sorted.at(-1)),
    runs: sorted.length,
  }
}

export const machine = () => ({ cpu: cpus()[0].model, cores: cpus().length, node: process.version })
