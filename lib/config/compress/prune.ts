/** The stage `prune`: weights become zero where they stand, by the verb at once. */
import { z } from 'zod'
import { count, oneOf, positive, share, text } from '../checks'
import { alternating } from './recovery'

const patterns = () => z.array(text(), { error: 'expected a list of names' }).min(1, 'expected a name')

const PATTERN = /^(\d+):(\d+)$/

/** `2:4` -> { kept: 2, of: 4 }; undefined for `unstructured`. */
export function nOfM(pattern: string): { kept: number; of: number } | undefined {
  const found = PATTERN.exec(pattern)
  return found ? { kept: Number(found[1]), of: Number(found[2]) } : undefined
}

const MOST = 64 // native/compress/amount.h

function isPattern(pattern: string): boolean {
  const { kept, of } = nOfM(pattern) ?? { kept: 0, of: 0 }
  return pattern === 'unstructured' || (kept > 0 && kept < of && of <= MOST)
}

export const pruneSchema = z
  .strictObject({
    method: z.literal('prune'),
    criterion: oneOf(['magnitude', 'wanda', 'sparsegpt'])
      .default('magnitude')
      .describe(
        'Which weights go. magnitude: the smallest; wanda: the smallest after each is multiplied with the size of its input on the calibration rows; sparsegpt: those that the others of their row can make up for, which they then do.',
      ),
    sparsity: share().optional().describe('Share of the weights that go; a pattern says it by itself.'),
    pattern: z
      .string({ error: 'expected unstructured, or N:M in quotes' })
      .refine(isPattern, `expected unstructured, or N:M with 0 < N < M <= ${MOST}, such as 2:4`)
      .default('unstructured')
      .describe(
        'N:M: of every M consecutive inputs of an output, N are KEPT: 2:4 and 1:4 leave a half and a quarter.',
      ),
    scope: oneOf(['global', 'layer', 'row'])
      .optional()
      .describe(
        'magnitude: which weights are compared: all, those of each matrix, or of each of its rows; default: global. wanda compares within rows, sparsegpt within blocks of columns.',
      ),
    include: patterns()
      .optional()
      .describe(
        'Linear layers that are pruned: ends of their names, such as `q_proj`, or names with `*`, such as `layers.0.*`; default: all of every block.',
      ),
    exclude: patterns().optional().describe('Linear layers that are not.'),
    biases: z
      .boolean({ error: 'expected true or false' })
      .default(false)
      .describe('magnitude: biases of these layers are among what is compared, as in the paper.'),
    damping: positive()
      .optional()
      .describe(
        'sparsegpt: what is added to the diagonal of H, as a share of its mean; default: 0.01. Raised tenfold where H cannot be inverted, and reported.',
      ),
    block: count(1).optional().describe('sparsegpt: columns at a time; default: 128.'),
    ...alternating,
  })
  .check(({ value, issues }) => {
    for (const [key, message] of contradictions(value))
      issues.push({ code: 'custom', message, path: [key], input: value })
  })

export type PruneStage = z.infer<typeof pruneSchema>

/** Keys that say nothing, or something else, beside others. */
function contradictions(stage: Omit<PruneStage, 'method'>): [keyof PruneStage, string][] {
  const { criterion, sparsity, pattern, scope, biases, damping, block } = stage
  const groups = nOfM(pattern)
  const all: [keyof PruneStage, string | false][] = [
    ['sparsity', !groups && sparsity === undefined && 'expected a share, or a pattern such as 2:4'],
    [
      'sparsity',
      groups !== undefined &&
        sparsity !== undefined &&
        Math.abs(sparsity - (1 - groups.kept / groups.of)) > 1e-9 &&
        `expected ${1 - groups.kept / groups.of}, or nothing, with pattern ${pattern}, which keeps ${groups.kept} of ${groups.of}`,
    ],
    ['scope', scopeProblem(criterion, scope, pattern)],
    ['biases', biases && criterion !== 'magnitude' && 'expected false: only magnitude prunes biases'],
    ['biases', biases && groups !== undefined && 'expected false with a pattern: a bias has no inputs'],
    ['biases', biases && scope === 'row' && 'expected false with scope row: a bias has no rows'],
    [
      'damping',
      damping !== undefined && criterion !== 'sparsegpt' && 'expected criterion sparsegpt beside it',
    ],
    ['block', block !== undefined && criterion !== 'sparsegpt' && 'expected criterion sparsegpt beside it'],
    [
      'block',
      groups !== undefined &&
        (block ?? BLOCK) % groups.of !== 0 &&
        criterion === 'sparsegpt' &&
        `expected a multiple of ${groups.of} with pattern ${pattern}, received ${block ?? BLOCK}`,
    ],
  ]
  return all.filter((one): one is [keyof PruneStage, string] => one[1] !== false)
}

function scopeProblem(criterion: string, scope: string | undefined, pattern: string): string | false {
  if (scope === undefined) return false
  if (criterion === 'sparsegpt') return 'expected none: sparsegpt compares within blocks of columns'
  if (criterion === 'wanda') return scope !== 'row' && 'expected row, or none: wanda compares within rows'
  return pattern !== 'unstructured' && 'expected none with a pattern, which compares within its groups'
}

export const BLOCK = 128
export const DAMPING = 0.01
