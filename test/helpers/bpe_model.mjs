// Models around a byte-pair tokenizer: random weights in any dtype, tied or not, with rows to spare, in shards.
import { writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { BpeFile } from '#lib/text/bpe/bpe_file'
import { INIT, tinyConfig } from './tiny_model.mjs'

/** Writes a model folder around the text of a tokenizer.json. Returns the folder. */
export async function writeBpeModel(
  folder,
  tokenizer,
  { tied = false, spare = 0, dtype = 'float32', shard = 1e9, seed = 3, width = 32 } = {},
) {
  const vocab_size = new BpeFile(tokenizer).size + spare
  const config = { ...tinyConfig({ tied, width }), torch_dtype: dtype, vocab_size, eos_token_id: 0 }
  await mkdir(folder, { recursive: true })
  writeFileSync(join(folder, 'tokenizer.json'), tokenizer)
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const tags = ['<|tag|>'].filter((tag) => tokenizer.includes(JSON.stringify(tag)))
  const settings = { tokenizer_class: 'PreTrainedTokenizerFast', additional_special_tokens: tags }
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(settings))
  const spec = decoderSpec(config)
  const model = await runJob('initialiseModel', { spec, init: { ...INIT, seed }, threads: 1 })
  await runJob('saveModel', { model, folder, dtype, max_shard_bytes: shard })
  native().dispose(model)
  return folder
}
