// What stands where a file is looked for and is none: pipes that nobody writes into, devices without an end, folders, links
// to nowhere and in circles. Answered without waiting.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import {
  convert,
  inspect,
  inspectDelta,
  listAudio,
  loadLanguageIdentifier,
  mergeAdapter,
  readAudio,
  verify,
} from 'tongueforge'
import { readNpyMatrix } from '#lib/checkpoint/npy'
import { readDocuments } from '#lib/text/documents'
import { Tokenizer } from '#lib/text/tokenizer'
import { train } from '#lib/verbs/train'
import { modelFiles } from '../making/model.mjs'

const all = async (records) => {
  for await (const _ of records);
}
const model = (folder) => inspect(`${folder}/model`)
const data = (name) => [name, (folder) => all(readDocuments({ path: `${folder}/${name}`, format: 'text' }))]
const INDEX = 'model/model.safetensors.index.json'

/** What reads which file: [file, call, files beside it]. */
const READERS = {
  'config.json': ['model/config.json', model],
  'generation_config.json': ['model/generation_config.json', model],
  'tokenizer_config.json': ['model/tokenizer_config.json', model],
  'special_tokens_map.json': ['model/special_tokens_map.json', model],
  'chat_template.jinja': ['model/chat_template.jinja', model],
  'chat_template.json': ['model/chat_template.json', model],
  'a template of another name': ['model/additional_chat_templates/x.jinja', model],
  'provenance.json': ['model/provenance.json', (folder) => verify(`${folder}/model`)],
  weights: ['model/model.safetensors', model],
  'an index of weights': [INDEX, model, modelFiles({ 'model.safetensors': undefined })],
  'tokenizer.json': ['model/tokenizer.json', (folder) => Tokenizer.load(`${folder}/model`)],
  'JSON lines': data('data.jsonl'),
  'a list of JSON': data('data.json'),
  'plain text': data('data.txt'),
  'packed text': data('data.txt.gz'),
  'text packed as zstd': data('data.txt.zst'),
  Parquet: data('data.parquet'),
  'a manifest': ['m.csv', (folder) => listAudio([{ path: `${folder}/m.csv` }])],
  'a wav file': ['a.wav', (folder) => readAudio(`${folder}/a.wav`)],
  'a FLAC file': ['a.flac', (folder) => readAudio(`${folder}/a.flac`)],
  'an array of numpy': ['a.npy', (folder) => readNpyMatrix(`${folder}/a.npy`)],
  'a model of fastText': ['lid.bin', (folder) => loadLanguageIdentifier({ model: `${folder}/lid.bin` })],
  'a checkpoint of torch': ['a.pt', (folder) => convert({ file: `${folder}/a.pt`, out: `${folder}/out` })],
  'a config of training': ['c.yaml', (folder) => train(`${folder}/c.yaml`, { dryRun: true }).result],
  'a delta': ['d/delta.safetensors', (folder) => inspectDelta(`${folder}/d`)],
  'an adapter config': [
    'adapter/adapter_config.json',
    (folder) =>
      mergeAdapter({ model: `${folder}/model`, adapter: `${folder}/adapter`, out: `${folder}/out` }),
  ],
}

/** What stands there. */
const KINDS = {
  'a pipe': (place) => execFileSync('mkfifo', [place]),
  'a device without an end': (place) => symlinkSync('/dev/zero', place),
  'a folder': (place) => mkdirSync(place),
  'a link to nowhere': (place) => symlinkSync('nowhere-at-all', place),
  'a link to itself': (place) => symlinkSync(place, place),
}
const CODES = [
  'ERR_IO',
  'ERR_NOT_FOUND',
  'ERR_CONFIG',
  'ERR_DATA',
  'ERR_AUDIO',
  'ERR_TOKENIZER',
  'ERR_MODEL_CONFIG',
]

/** Where a link to nowhere is as good as no file, which may be. */
const OPTIONAL = /generation_config|tokenizer_config|special_tokens|\/chat_template/

export const places = () =>
  Object.entries(READERS).flatMap(([what, [file, call, files = modelFiles()]]) =>
    Object.entries(KINDS).map(([kind, make]) => ({
      name: `${kind} for ${what}`,
      files,
      prepare(folder) {
        const place = `${folder}/${file}`
        rmSync(place, { force: true })
        mkdirSync(place.slice(0, place.lastIndexOf('/')), { recursive: true })
        make(place)
      },
      call,
      // A thread of its own takes longer to start than to refuse.
      ...(what === 'Parquet' && { limits: { cpuMs: 400 } }),
      ...(kind === 'a link to nowhere' && OPTIONAL.test(file) ? {} : { code: CODES }),
      says: file.includes('model/') || file.includes('adapter/') ? [] : [file.split('/')[0]],
    })),
  )
