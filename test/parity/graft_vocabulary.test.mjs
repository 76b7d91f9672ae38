// The result of a chat vector between different vocabularies, in transformers: it loads whole, cuts text and tags into the
// same ids, and computes and says the same.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { graft, loadModel } from 'tongueforge'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reference } from '../helpers/reference.mjs'
import { CASES, writeCase } from '../helpers/vocabulary_models.mjs'

const TEXTS = [
  'the cat sat on the mat',
  '<|im_start|>user\nthe rat<|im_end|>\n<|im_start|>assistant\n',
  'ß à é <|im_end|>猫<|im_end|>',
  '<|reserved|>',
  '',
]
const CHAT = [{ role: 'user', content: 'the cat' }]
const COUNT = 8

describe('grafts between vocabularies, in transformers', () => {
  for (const name of Object.keys(CASES))
    test(name, async () => {
      const root = temporaryFolder()
      const models = await writeCase(name, root)
      const { out, vocabulary } = await graft({ ...models, scale: 0.7, out: join(root, 'out') })
      const model = await loadModel(out, { threads: 1 })
      const { tokenizer, template } = await model.text()

      const loaded = await reference(['load', out])
      assert.deepEqual([loaded.missing_keys, loaded.unexpected_keys, loaded.mismatched_keys], [[], [], []])
      assert.equal(loaded.tokenizer.size, tokenizer.vocabSize)

      const cut = await reference(['encode', out, '-'], TEXTS)
      for (const [i, text] of TEXTS.entries())
        assert.deepEqual([...(await tokenizer.encode(text))], cut[i].ids, JSON.stringify(text))

      const tags = Object.keys(vocabulary.added_tokens).filter((token) => token.startsWith('<|'))
      const prompt = template ? template.render(CHAT, { addGenerationPrompt: true }) : 'the cat'
      const ids = [...(await tokenizer.encode(prompt, { addSpecialTokens: false }))]
      for (const tag of tags) assert.ok(ids.includes(vocabulary.added_tokens[tag]), `${tag} is in use`)
      const logits = await reference(['logits', out, '-'], [ids])
      assertClose((await model.logits([ids])).data, logits.data, loaded.dtype === 'float32' ? 1e-5 : 2e-2)

      if (loaded.dtype === 'float32') {
        const [expected] = await reference(['generate', out, '-', '--max-new-tokens', COUNT], [ids])
        const answer = await model.generate(ids, { maxNewTokens: COUNT }).result
        assert.deepEqual(answer.ids, expected.ids.slice(0, answer.ids.length))
        assert.ok(answer.ids.length === COUNT || answer.finish_reason === 'stop')
      }
      await model.dispose()
    })
})
