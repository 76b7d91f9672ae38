// The checks of one encoder folder against its expected.safetensors (layout: test/parity/encoder_cases.py). The golden
// tests run them over stored folders, the parity tests over folders that transformers made a moment ago.
import { join } from 'node:path'
import { loadEncoder } from 'tongueforge'
import { assertClose } from './decoder_parity.mjs'
import { readArrays } from './safetensors.mjs'

// Two float32 programs that add in different orders come out about 2e-6 apart on these models.
const TOLERANCE = 1e-5

/** Registers the checks as subtests of `t`. */
export async function checkEncoder(t, folder) {
  const expected = readArrays(join(folder, 'expected.safetensors'))
  const texts = textsOf(expected)
  const model = await loadEncoder(folder, { threads: 1 })
  try {
    await t.test('embeddings of texts packed together agree to 1e-5 of the largest', async () => {
      assertClose(flat(await model.embedIds(texts)), expected.mean.data, TOLERANCE, 'mean')
      assertClose(
        flat(await model.embedIds(texts, { pooling: 'cls' })),
        expected.first.data,
        TOLERANCE,
        'first',
      )
    })
    if (model.spec.head === 'masked_lm')
      await t.test('logits of the words agree to 1e-5 of the largest', () =>
        checkWords(model, texts, expected),
      )
    if (model.spec.head === 'classification')
      await t.test('logits of the labels agree to 1e-5 of the largest', async () =>
        assertClose(flat(await model.classifyIds(texts)), expected.logits.data, TOLERANCE),
      )
  } finally {
    await model.dispose()
  }
}

/** The texts without their padding. */
export function textsOf({ ids, lengths }) {
  const [, time] = ids.shape
  return [...lengths.data].map((length, i) => ids.data.slice(i * time, i * time + length))
}

async function checkWords(model, texts, { ids, logits }) {
  const [, time, vocab] = [...ids.shape, logits.shape[2]]
  const largest = logits.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  for (const [i, text] of texts.entries()) {
    const { data } = await model.logits([text])
    const theirs = logits.data.slice(i * time * vocab, (i * time + text.length) * vocab)
    // of the largest of all texts
    assertClose([...data, largest], [...theirs, largest], TOLERANCE, `logits of text ${i}`)
  }
}

const flat = (rows) => rows.flatMap((row) => [...row])
