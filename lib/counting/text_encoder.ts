/** Sizes of a text encoder: BERT, RoBERTa. */
import type { EncoderSpec } from '../checkpoint/encoder_config'
import { encoderBlock } from './encoder_block'
import type { HeadSize, ModelSize } from './model_size'

const NAMES = {
  q: 'attention.self.query',
  k: 'attention.self.key',
  v: 'attention.self.value',
  o: 'attention.output.dense',
  up: 'intermediate.dense',
  down: 'output.dense',
}

/** Names of the heads, in the families' own words. */
const HEADS = {
  bert: {
    dense: 'cls.predictions.transform.dense',
    decoder: 'cls.predictions.decoder',
    classifier: 'classifier',
  },
  roberta: { dense: 'lm_head.dense', decoder: 'lm_head.decoder', classifier: 'classifier.out_proj' },
}

export function encoderSize(spec: EncoderSpec): ModelSize {
  const { hidden_size: columns, vocab_size, max_positions, type_vocab_size, bare, architecture } = spec
  const prefix = bare ? '' : `${architecture}.`
  const table = (name: string, rows: number) => ({ name: `${prefix}embeddings.${name}`, rows, columns })
  return {
    input: { kind: 'tokens' },
    tables: [
      table('word_embeddings', vocab_size),
      table('position_embeddings', max_positions),
      table('token_type_embeddings', type_vocab_size),
    ],
    projections: [],
    blocks: spec.layers.map(({ num_heads: heads, intermediate_size: feed_forward, ranks }, i) =>
      encoderBlock(`${prefix}encoder.layer.${i}.`, NAMES, {
        ...{ width: columns, heads, head_dim: spec.head_dim, feed_forward, ranks },
      }),
    ),
    heads: headsOf(spec, prefix),
    norms: 2 * columns + outsideBlocks(spec),
  }
}

// The head of a masked language model runs where a token is hidden; counted is that it runs at each position.
function headsOf(spec: EncoderSpec, prefix: string): HeadSize[] {
  const { hidden_size: inputs, vocab_size, labels, architecture, head, tie_word_embeddings } = spec
  const names = HEADS[architecture]
  const linear = (name: string, outputs: number, runs: HeadSize['runs']): HeadSize => ({
    ...{ name, inputs, outputs, bias: true, runs },
  })
  const pooler = `${prefix}pooler.dense`
  if (head === 'none') return [linear(pooler, inputs, 'training')] // stored; nothing of ours runs it
  if (head === 'classification') {
    const dense = architecture === 'bert' ? pooler : 'classifier.dense'
    return [linear(dense, inputs, 'row'), linear(names.classifier, labels.length, 'row')]
  }
  const tied = tie_word_embeddings ? `${prefix}embeddings.word_embeddings.weight` : undefined
  const second = [linear(pooler, inputs, 'training'), linear('cls.seq_relationship', 2, 'training')]
  return [
    linear(names.dense, inputs, 'position'),
    { ...linear(names.decoder, vocab_size, 'position'), tied },
    ...(spec.next_sentence ? second : []),
  ]
}

// The norm of the masked-LM head, and the bias that is stored beside the one of a head of its own.
function outsideBlocks({ head, hidden_size, vocab_size, tie_word_embeddings }: EncoderSpec): number {
  if (head !== 'masked_lm') return 0
  return 2 * hidden_size + (tie_word_embeddings ? 0 : vocab_size)
}
