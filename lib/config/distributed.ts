/** What several processes that train one model agree on; how they find each other stands in the environment. */
import { z } from 'zod'
import { oneOf, positive } from './checks'

export const distributed = z
  .strictObject({
    backend: oneOf(['auto', 'gloo', 'nccl'])
      .default('auto')
      .describe('What gradients travel by; auto: nccl between GPUs, gloo between CPUs.'),
    zero: z
      .union([z.literal(0), z.literal(1)], { error: 'expected 0 | 1' })
      .default(0)
      .describe(
        '1: each process keeps the moments of its part of the weights alone (ZeRO-1, arXiv 1910.02054): less memory, the same numbers.',
      ),
    timeout_seconds: positive()
      .default(600)
      .describe('A process that keeps the others waiting for longer is named, and the run ends.'),
    bucket_mb: positive()
      .default(25)
      .describe('MiB of gradients that are sent at once, while others are still computed.'),
  })
  .prefault({})
