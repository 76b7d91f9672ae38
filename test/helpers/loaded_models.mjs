// A model of each kind in memory, for the tests of their calls.
import { join } from 'node:path'
import { after, before } from 'node:test'
import { loadModel } from 'tongueforge'
import { encoderConfig, writeTinyEncoder } from './tiny_encoder.mjs'
import { writeTinyModel } from './tiny_model.mjs'
import { melHubertConfig, writeTinySpeech } from './tiny_speech.mjs'

/** Within a `describe`: `decoder`, `encoder`, `classifier` and `speech`, written below a folder and there from its first test on. */
export function loadedModels(root) {
  const models = {}
  before(async () => {
    const place = (name) => join(root, name)
    await writeTinyModel(place('decoder'))
    await writeTinyEncoder(place('encoder'))
    await writeTinyEncoder(
      place('classifier'),
      encoderConfig({ architectures: ['BertForSequenceClassification'] }),
    )
    await writeTinySpeech(place('speech'), melHubertConfig())
    for (const name of ['decoder', 'encoder', 'classifier', 'speech'])
      models[name] = await loadModel(place(name), { threads: 1 })
  })
  after(() => Promise.all(Object.values(models).map((model) => model.dispose())))
  return models
}
