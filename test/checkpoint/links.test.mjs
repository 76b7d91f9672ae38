// Links in a model folder: read wherever they lead, copied into results only where what they lead to is of the model.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspect, merge } from 'tongueforge'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { carryOver } from '#lib/checkpoint/write_folder'
import { temporaryFolder } from '../helpers/folders.mjs'
import { modelFiles } from '../hostile/making/model.mjs'

const SECRET = 'the private words of somebody\n'

/** Node's warnings of links, as they come. */
const told = []
const hear = (warning) => warning.code === 'TONGUEFORGE_LINK' && told.push(warning.message)
process.on('warning', hear)
after(() => process.off('warning', hear))

/** A model in root/model, and what is not of it beside it. */
function modelIn(changes = {}) {
  const written = (content) =>
    typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content)
  const files = Object.entries({ ...modelFiles(changes), 'elsewhere/secret.txt': SECRET })
  return temporaryFolder(Object.fromEntries(files.map(([name, content]) => [name, written(content)])))
}

/** What a result made of the folder holds, by name; and what was told of links. */
async function carried(folder) {
  told.length = 0
  const to = temporaryFolder()
  await carryOver(await openModelFolder(folder), to)
  await new Promise((done) => setImmediate(done))
  const content = (name) => {
    const file = join(to, name)
    if (!existsSync(file)) return undefined
    assert.ok(lstatSync(file).isFile(), `${name} became a file`)
    return readFileSync(file, 'utf8')
  }
  return { content, told: [...told] }
}

/** Replaces a file of the model by a link. */
function link(root, name, target) {
  const place = join(root, 'model', name)
  rmSync(place, { force: true })
  mkdirSync(join(place, '..'), { recursive: true })
  symlinkSync(target, place)
}

test('the cache of a hub: snapshots of links to blobs are read, and a result has them as files', async () => {
  const root = modelIn({
    'README.md': 'a card',
    'notes.txt': 'notes',
    'chat_template.jinja': '{{ messages }}',
  })
  const cache = join(root, 'hub/models--org--name')
  const snapshot = join(cache, 'snapshots', 'a'.repeat(40))
  mkdirSync(join(cache, 'blobs'), { recursive: true })
  mkdirSync(snapshot, { recursive: true })
  let count = 0
  const names = [
    'config.json',
    'tokenizer.json',
    'model.safetensors',
    'README.md',
    'notes.txt',
    'chat_template.jinja',
  ]
  for (const name of names) {
    // Small files are named by 40 digits there, large ones by 64.
    const blob = String(count++).padStart(name.endsWith('.safetensors') ? 64 : 40, '0')
    renameSync(join(root, 'model', name), join(cache, 'blobs', blob))
    symlinkSync(join('../../blobs', blob), join(snapshot, name))
  }
  assert.equal((await inspect(snapshot)).architecture, 'llama')
  const result = await carried(snapshot)
  assert.equal(result.content('notes.txt'), 'notes')
  assert.equal(result.content('README.md'), 'a card')
  assert.equal(result.content('chat_template.jinja'), '{{ messages }}')
  assert.deepEqual(result.told, [])
  const out = join(root, 'out')
  await merge(
    { models: [{ model: snapshot }], merge_method: 'linear', parameters: { weight: 1 }, dtype: 'float32' },
    { out },
  )
  assert.equal(readFileSync(join(out, 'notes.txt'), 'utf8'), 'notes')
  assert.equal((await inspect(out)).architecture, 'llama')
  // `hf download --local-dir` of old: a plain folder of links into the cache.
  const local = join(root, 'local')
  mkdirSync(local)
  for (const name of names) symlinkSync(join(snapshot, name), join(local, name))
  assert.equal((await carried(local)).content('notes.txt'), 'notes')
})

test('a link to a file elsewhere is left out of results, and told; the model itself is read', async () => {
  for (const [name, target] of [
    ['notes.txt', '../elsewhere/secret.txt'],
    ['LICENSE', '/etc/passwd'],
    ['special_tokens_map.json', '../elsewhere/credentials.json'],
    ['merges.txt', '../elsewhere/secret.txt'],
    ['0000', '../elsewhere/blobs/'.concat('0'.repeat(40))],
  ]) {
    const root = modelIn()
    writeFileSync(join(root, 'elsewhere/credentials.json'), '{"token":"secret"}')
    mkdirSync(join(root, 'elsewhere/blobs'))
    writeFileSync(join(root, 'elsewhere/blobs', '0'.repeat(40)), SECRET)
    link(root, name, target)
    assert.equal((await inspect(join(root, 'model'))).architecture, 'llama')
    const { content, told } = await carried(join(root, 'model'))
    assert.equal(content(name), undefined, name)
    assert.ok(content('config.json') && content('tokenizer.json'))
    assert.equal(told.length, 1)
    assert.ok(told[0].startsWith(`${join(root, 'model', name)}: a link to a file elsewhere`), told[0])
  }
})

test('so is one behind other links, and one below a folder that is a link', async () => {
  const root = modelIn()
  link(root, 'hop', '../elsewhere/hop')
  symlinkSync('secret.txt', join(root, 'elsewhere/hop'))
  mkdirSync(join(root, 'elsewhere/templates'))
  symlinkSync('../secret.txt', join(root, 'elsewhere/templates/rag.jinja'))
  assert.equal((await carried(join(root, 'model'))).content('hop'), undefined)
  link(root, 'additional_chat_templates', '../elsewhere/templates')
  await assert.rejects(openModelFolder(join(root, 'model')), {
    code: 'ERR_TOKENIZER',
    message: /rag\.jinja: expected a chat template, received a link to .*secret\.txt/,
  })
})

test('a link within the folder, and a known file of a model under its own name elsewhere, are taken over', async () => {
  const root = modelIn({ 'notes.txt': 'notes' })
  link(root, 'LICENSE', 'notes.txt')
  renameSync(join(root, 'model/tokenizer.json'), join(root, 'elsewhere/tokenizer.json'))
  link(root, 'tokenizer.json', '../elsewhere/tokenizer.json')
  renameSync(join(root, 'model/config.json'), join(root, 'elsewhere/llama-tiny.json'))
  link(root, 'config.json', '../elsewhere/llama-tiny.json')
  writeFileSync(join(root, 'elsewhere/llama3.jinja'), '{{ messages }}')
  link(root, 'chat_template.jinja', '../elsewhere/llama3.jinja')
  const { content, told } = await carried(join(root, 'model'))
  assert.equal(content('LICENSE'), 'notes')
  assert.match(content('tokenizer.json'), /BPE/)
  assert.match(content('config.json'), /llama/)
  assert.equal(content('chat_template.jinja'), '{{ messages }}')
  assert.deepEqual(told, [])
  symlinkSync(join(root, 'model'), join(root, 'by-a-link'))
  assert.equal((await carried(join(root, 'by-a-link'))).content('LICENSE'), 'notes')
})

test('a chat template that is a link to another kind of file is refused before anything is made', async () => {
  const root = modelIn()
  link(root, 'chat_template.jinja', '../elsewhere/secret.txt')
  await assert.rejects(openModelFolder(join(root, 'model')), ({ code, message, hint }) => {
    assert.equal(code, 'ERR_TOKENIZER')
    assert.match(message, /chat_template\.jinja: expected a chat template, received a link to .*secret\.txt/)
    assert.doesNotMatch(message, /private words/)
    assert.match(hint, /\.jinja/)
    return true
  })
})

test('links that lead to no regular file are no files of the model: none, itself, a folder, a pipe, a device', async () => {
  const root = modelIn()
  execFileSync('mkfifo', [join(root, 'elsewhere/pipe')])
  for (const [name, target] of Object.entries({
    none: 'nowhere-at-all',
    itself: 'itself',
    first: 'second',
    second: 'first',
    folder: '../elsewhere',
    pipe: '../elsewhere/pipe',
    device: '/dev/zero',
  }))
    link(root, `${name}.txt`, target.replace(/^(itself|first|second)$/, '$1.txt'))
  assert.equal((await inspect(join(root, 'model'))).architecture, 'llama')
  const { content, told } = await carried(join(root, 'model'))
  assert.ok(content('config.json'))
  for (const name of ['none', 'itself', 'first', 'folder', 'pipe', 'device'])
    assert.equal(content(`${name}.txt`), undefined)
  assert.deepEqual(told, [])
})
