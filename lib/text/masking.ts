/** Tokens hidden for masked language modelling (Devlin et al. 2018, arXiv 1810.04805). */
import { TongueforgeError } from '../errors'
import { IGNORE } from './conversation'
import type { ModelText } from './model_text'
import type { PackedBatch, RowSource } from './packing'
import { Random } from './random'

/** How much is hidden, and what stands there instead; the rest of the chosen tokens stay as they are. */
export interface MaskingShares {
  /** Of the tokens, those that are to be predicted. */
  probability: number
  /** Of these, the share that becomes the mask token, and the share that becomes any token. */
  mask: number
  random: number
}

/** Of the paper. */
export const BERT_MASKING: MaskingShares = { probability: 0.15, mask: 0.8, random: 0.1 }

export interface Masking extends MaskingShares {
  maskId: number
  vocabSize: number
  /** All of them, where they are not 0 to vocabSize - 1. */
  ids?: Int32Array
}

/** Throws ERR_TOKENIZER where there is no mask token. */
export function maskingOf(
  { tokenizer, maskTokenId }: Pick<ModelText, 'tokenizer' | 'maskTokenId'>,
  shares: MaskingShares = BERT_MASKING,
): Masking {
  if (maskTokenId !== undefined) {
    const { vocabSize, idCount } = tokenizer
    const sparse = vocabSize < idCount && { ids: Int32Array.from(tokenizer.vocabulary().values()).sort() }
    return { ...shares, maskId: maskTokenId, vocabSize, ...sparse }
  }
  throw new TongueforgeError('ERR_TOKENIZER', 'tokenizer: expected a mask token, found none', {
    hint: 'tokenizer_config.json of an encoder names it: "mask_token": "[MASK]".',
  })
}

const TWO_32 = 2 ** 32

/**
 * Hides some of the tokens that have a label: `ids` gets what stands there instead, `labels` keeps the hidden ones
 * alone. Gives their number: at least one, where any token has a label.
 */
export function hideTokens(ids: Int32Array, labels: Int32Array, masking: Masking, random: Random): number {
  const candidates = [...labels.keys()].filter((place) => labels[place] !== IGNORE)
  if (candidates.length === 0) return 0
  const drawn = candidates.filter(() => random.uint32() < masking.probability * TWO_32)
  const chosen = drawn.length > 0 ? drawn : [candidates[random.below(candidates.length)]!]
  for (const place of chosen) ids[place] = standIn(ids[place]!, masking, random)
  const hidden = new Set(chosen)
  for (const place of candidates) if (!hidden.has(place)) labels[place] = IGNORE
  return chosen.length
}

function standIn(
  id: number,
  { mask, random: other, maskId, vocabSize, ids }: Masking,
  random: Random,
): number {
  const draw = random.uint32() / TWO_32
  if (draw < mask) return maskId
  if (draw >= mask + other) return id
  return ids ? ids[random.below(ids.length)]! : random.below(vocabSize)
}

/**
 * Rows in which tokens are hidden: others each epoch, a pure function of seed and row, so that resuming needs no state.
 */
export class MaskedRows implements RowSource {
  readonly rowLength: number
  readonly rowsPerEpoch: number

  constructor(
    private readonly source: RowSource,
    private readonly masking: Masking,
    private readonly seeds: readonly number[],
  ) {
    this.rowLength = source.rowLength
    this.rowsPerEpoch = source.rowsPerEpoch
  }

  async fill(row: number, batch: PackedBatch, at: number): Promise<void> {
    const before = batch.targets
    await this.source.fill(row, batch, at)
    const [begin, end] = [at * batch.row_length, (at + 1) * batch.row_length]
    const [ids, labels] = [batch.ids.subarray(begin, end), batch.labels.subarray(begin, end)]
    batch.targets = before + hideTokens(ids, labels, this.masking, new Random(...this.seeds, row))
  }
}
