/** What a sweep keeps in memory, and whether the machine has it. */
import type { DecoderSpec } from '../../checkpoint/model_config'
import type { SweepConfig } from '../../config/sweep'
import { largestBlockBytes, logitRows, PROCESS_BYTES } from '../training/memory'
import { checkFits, type MachineMemory } from '../training/memory_room'

export interface SweepMemory {
  /** The target as it is stored. */
  target_bytes: number
  /** The difference of the two other models, in float32. */
  delta_bytes: number
  /** The weights of the point that is measured. */
  live_bytes: number
  /** Of measuring a batch. */
  activation_bytes: number
  /** All of it, with the process itself. */
  memory_bytes: number
}

export interface MemoryInputs {
  config: Pick<SweepConfig, 'dtype' | 'batch_size' | 'sequence_length'>
  spec: DecoderSpec
  /** Numbers in the target. */
  parameters: number
  /** Of its weight files. */
  stored_bytes: number
}

export function sweepMemory({ config, spec, parameters, stored_bytes }: MemoryInputs): SweepMemory {
  const width = config.dtype === 'float32' ? 4 : 2
  const tokens = config.batch_size * config.sequence_length
  const logits = logitRows(tokens, spec.vocab_size, width) * spec.vocab_size * width
  const needs = {
    target_bytes: stored_bytes,
    delta_bytes: 4 * parameters,
    live_bytes: width * parameters,
    activation_bytes: tokens * largestBlockBytes(spec, width) + logits, // of one block at a time
  }
  const memory_bytes = Object.values(needs).reduce((sum, bytes) => sum + bytes, PROCESS_BYTES)
  return { ...needs, memory_bytes }
}

/** Throws ERR_OUT_OF_MEMORY for a sweep that clearly cannot fit; warns of one that does not fit into what is free. */
export function checkSweepMemory(
  memory: SweepMemory,
  { dtype }: Pick<SweepConfig, 'dtype'>,
  warn: (message: string) => void,
  machine?: MachineMemory,
): void {
  const { target_bytes, delta_bytes, live_bytes } = memory
  const parts = [target_bytes, delta_bytes, live_bytes].map((bytes) => `${(bytes / 1e9).toPrecision(3)} GB`)
  const narrower = dtype === 'float32' ? ' Set dtype: bfloat16, or take' : ' Take'
  const advice =
    `It holds the target (${parts[0]}), the difference in float32 (${parts[1]}) and the weights of a point ` +
    `(${parts[2]}).${narrower} a machine with more memory, or graft to files at each scale.`
  checkFits({ bytes: memory.memory_bytes, advice }, warn, machine)
}
