/** Where a model runs. What is asked for is never replaced in silence: the native part refuses what is not there. */
import { z } from 'zod'

const EXPECTED = 'expected cpu, cuda, or cuda:N with the number of a GPU'

export const device = () =>
  z
    .string({ error: EXPECTED })
    .regex(/^(cpu|cuda(:\d{1,3})?)$/, EXPECTED)
    .default('cpu')
    .describe('cpu, cuda, or cuda:1 and so on: one GPU, in a build for CUDA (docs/cuda.md).')
