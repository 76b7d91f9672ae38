// A real trained model, 260 thousand parameters, against the text that was published with it.
//
// The published sample is an excerpt: what greedy decoding gives from BOS alone, cut off after "We can help you."
// and closed with a newline of the file's own. The model itself begins with "Once upon a time", so the rule is: the
// sample without its last character is, character for character, the beginning of prompt + continuation. 252 new
// tokens reach its end; on the way the best token always leads the second by more than 0.004.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { loadModel } from 'tongueforge'
import { dataTest } from '../helpers/data.mjs'

const PROMPT = 'Once upon a time'
const PROMPT_IDS = [1, 403, 407, 261, 378] // BOS and the four pieces of the prompt
const NEW_TOKENS = 256
const FILES = ['models/stories260K_hf', 'models/stories260K/greedy_sample.txt']

const readSample = (path) => readFileSync(path, 'utf8').replace(/\n$/, '')

function assertBeginsWith(text, sample) {
  assert.equal(text.slice(0, sample.length), sample)
}

dataTest('stories260K continues its prompt as published', FILES, async (t, [folder, sample]) => {
  const model = await loadModel(folder, { dtype: 'float32', threads: 1 })
  t.after(() => model.dispose())
  let text = PROMPT
  for await (const piece of model.generate(PROMPT, { maxNewTokens: NEW_TOKENS })) text += piece.text
  assertBeginsWith(text, readSample(sample))
})

dataTest('the generate command gives the published text and its ids', FILES, async (_t, [folder, sample]) => {
  const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  const count = ['--max-new-tokens', String(NEW_TOKENS), '--json']
  const run = (...prompt) =>
    promisify(execFile)(process.execPath, [command, 'generate', folder, ...prompt, ...count])
  const fromText = JSON.parse((await run('--prompt', PROMPT)).stdout)
  assertBeginsWith(PROMPT + fromText.text, readSample(sample))
  assert.equal(fromText.ids.length, NEW_TOKENS)
  assert.equal(fromText.finish_reason, 'length')
  const fromIds = JSON.parse((await run('--prompt-ids', PROMPT_IDS.join(','))).stdout)
  assert.deepEqual(fromIds.ids, fromText.ids)
})

dataTest('stories260K finds the opening of its stories likely', FILES[0], async (t, folder) => {
  const model = await loadModel(folder, { dtype: 'float32', threads: 1 })
  t.after(() => model.dispose())
  const [{ tokens, nll }] = await model.scoreIds([PROMPT_IDS])
  assert.equal(tokens, PROMPT_IDS.length - 1)
  assert.ok(Math.abs(nll - 0.2741) < 1e-3, `transformers says 0.2741, received ${nll}`)
})
