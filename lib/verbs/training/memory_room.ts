/** A run that cannot fit into memory is met before it begins: not killed by the system, or refused, in the middle. */
import { freemem, totalmem } from 'node:os'
import { TongueforgeError } from '../../errors'
import { runJob } from '../../native'
import { activationBytes, memoryBytes, peakBytes, type TrainPlan } from './memory'

export interface MachineMemory {
  /** What the machine has, or its container may take. */
  bytes: number
  /** What of it is not in use. */
  free: number
  /** Whose it is, where it is a GPU's: "cuda:0". */
  gpu?: string
}

/** What a run on this device has to fit into. Throws ERR_DEVICE where there is no such device. */
export async function memoryOf(device: string): Promise<MachineMemory> {
  if (device === 'cpu') return machineMemory()
  const { total_bytes, available_bytes } = await runJob('describeGpu', { device })
  return { bytes: total_bytes, free: available_bytes, gpu: device }
}

export function machineMemory(): MachineMemory {
  const limit = process.constrainedMemory() // of the control group; 0 or beyond all sense: none
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  return { bytes, free: Math.min(freemem(), bytes) }
}

/** The estimate is refused where it would be too much even if it were so much too high. */
const DOUBT = 0.8

/** Throws ERR_OUT_OF_MEMORY for a run that clearly cannot fit; warns of one that does not fit into what is free. */
export function checkMemory(
  plan: TrainPlan,
  warn: (message: string) => void,
  machine: MachineMemory = machineMemory(),
): void {
  checkFits({ bytes: peakBytes(plan), advice: advice(plan) }, warn, machine)
}

/** What a run needs at its most, and what to do where that is too much. */
export interface MemoryNeed {
  bytes: number
  advice: string
}

/** As checkMemory, for whatever is to run. */
export function checkFits(
  { bytes, advice }: MemoryNeed,
  warn: (message: string) => void,
  machine: MachineMemory = machineMemory(),
): void {
  const needed = Math.round(bytes)
  if (needed * DOUBT > machine.bytes) {
    throw new TongueforgeError(
      'ERR_OUT_OF_MEMORY',
      `expected at most ${machine.bytes} bytes of memory to be needed, all that ${machine.gpu ?? 'this machine'} gives, and the run needs about ${needed}`,
      { hint: advice, details: { bytes_needed: needed, bytes_available: machine.bytes } },
    )
  }
  if (needed > machine.free) {
    warn(
      `the run needs about ${gigabytes(needed)} of memory, and ${gigabytes(machine.free)}${machine.gpu ? ` of ${machine.gpu}` : ''} are free. ${advice}`,
    )
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toPrecision(3)} GB`

/** What to change. The larger part first, and nothing that the config says already. */
export function advice(plan: TrainPlan): string {
  const { config } = plan
  const [rows, blocks] = [config.batch_size > 1, config.activation_checkpointing === 'none']
  const ofActivations = [
    ...(blocks ? ['set activation_checkpointing: block'] : []),
    ...(rows ? [`lower batch_size, now ${config.batch_size}, and raise accumulation`] : []),
    ...(rows ? [] : [`lower sequence_length, now ${config.sequence_length}`]),
  ]
  const ofWeights = [
    ...(config.lora ? [] : ['train adapters with lora: {}']),
    ...(config.lora || config.optimizer.kind === 'adafactor' ? [] : ['set optimizer.kind: adafactor']),
  ]
  const most = activationBytes(plan) > memoryBytes(plan)
  const steps = most ? [...ofActivations, ...ofWeights] : [...ofWeights, ...ofActivations]
  const text = steps.join('; or ')
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`
}
