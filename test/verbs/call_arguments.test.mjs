// Arguments of calls: what is of another kind is refused by the name of call and argument, and not read letter by letter.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import tongueforge from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { loadedModels } from '../helpers/loaded_models.mjs'
import { noise } from '../helpers/tiny_speech.mjs'

const { loadModel } = tongueforge

async function refused(
  name,
  call,
  values,
  { code = 'ERR_USAGE', message = /: expected .*, received / } = {},
) {
  for (const value of values)
    await assert.rejects(
      async () => {
        const outcome = call(value)
        await (outcome?.result ?? outcome)
      },
      (error) => {
        assert.equal(error.code, code, `${name}: ${error.stack}`)
        assert.match(error.message, message)
        assert.ok(error.message.startsWith(name), `${name}: ${error.message}`)
        return true
      },
    )
}

const NO_TEXTS = [5, null, undefined, {}, () => 1]
const NO_LISTS = [5, null, {}, { length: 2 }, new Set([[1]]), true]

describe('arguments of calls on', () => {
  const root = temporaryFolder()
  const models = loadedModels(root)
  before(async () => {
    models.serving = await loadModel(join(root, 'decoder'), { threads: 1, serving: true })
  })

  test('models: texts', async () => {
    const { decoder, encoder, classifier } = models
    await refused('score: text', (text) => decoder.score(text), [...NO_TEXTS, ['a']])
    await refused('fillMask: text', (text) => encoder.fillMask(text), [...NO_TEXTS, ['a']])
    await refused('embed: texts', (texts) => encoder.embed(texts), [...NO_TEXTS, [5], [null], [['a']]])
    await refused('classify: texts', (texts) => classifier.classify(texts), [...NO_TEXTS, [5]])
    const identifier = await tongueforge.loadLanguageIdentifier()
    await refused('identify: texts', (texts) => identifier.identify(texts), [...NO_TEXTS, 'abc', [5]])
  })

  test('models: rows of ids', async () => {
    const { decoder, encoder, classifier } = models
    const NO_ROWS = [...NO_LISTS, 'abc', new Int32Array([1, 2]), [1, 2], [null], ['ab']]
    const calls = {
      'scoreIds: rows': (rows) => decoder.scoreIds(rows),
      'logits: rows': (rows) => decoder.logits(rows),
      'generateIds: prompts': (rows) => decoder.generateIds(rows),
      'embedIds: rows': (rows) => encoder.embedIds(rows),
      'classifyIds: rows': (rows) => classifier.classifyIds(rows),
      'maskedLoss: rows': (rows) => encoder.maskedLoss(rows),
    }
    for (const [name, call] of Object.entries(calls)) {
      await refused(name, call, NO_ROWS)
      await refused(name, call, [[[1.5]], [['1']], [[1n]], [[Number.NaN]], [[null]]], { code: 'ERR_DATA' })
    }
    const ask = (requests) => decoder.likelihoods(requests)
    await refused('likelihoods: requests', ask, [...NO_LISTS, [null], [{ ids: 5, firstTarget: 1 }]])
    await refused('generate: prompt', (prompt) => decoder.generate(prompt), NO_LISTS)
    await assert.rejects(encoder.maskedLoss([]), { code: 'ERR_DATA', message: /a token that is hidden/ })
    const room = (requests) => models.serving.checkRoom(requests)
    await refused('checkRoom: requests', room, [-1, 1.5, null, Number.NaN, '1'])
  })

  test('models: conversations', async () => {
    const chat = (messages) => models.decoder.chat(messages, { maxNewTokens: 1 })
    await refused('chat: messages', chat, [...NO_LISTS, '', 'abc', [], new Map(), [null], ['a']])
    await refused('chat: messages[0].role', chat, [[{ content: 'a' }], [{ role: 5, content: 'a' }]])
    const said = [undefined, null, 5, ['a'], [{ type: 'text', text: 'a' }]]
    const turns = said.map((content) => [{ role: 'user', content }])
    await refused('chat: messages[0].content', chat, turns)
  })

  test('models: sounds', async () => {
    const { speech } = models
    const hear = (sounds) => speech.hiddenStates(sounds)
    const samples = [1, 2]
    await refused('hiddenStates: sounds', hear, ['file.wav', noise(12, 1), ...NO_LISTS, [5], [{ samples }]])
    const hide = (hidden) => speech.hiddenStates([noise(12, 1)], { hidden })
    await refused('hiddenStates: hidden', hide, ['x', 5, null, [[1]], [null]])
  })

  test('a tokenizer', async () => {
    const { tokenizer } = await models.decoder.text()
    await refused('encode: text', (text) => tokenizer.encode(text), [...NO_TEXTS, ['a']])
    await refused('encodeBatch: texts', (texts) => tokenizer.encodeBatch(texts), ['abc', ...NO_LISTS, [5]])
    await refused('encode: ', (options) => tokenizer.encode('a', options), [null, { addSpecialTokens: 'no' }])
    await refused('decode: ids', (ids) => tokenizer.decode(ids), ['abc', ...NO_LISTS])
    await refused('decode: ids', (ids) => tokenizer.decode(ids), [[3.7], [2 ** 32 + 5], ['3']], {
      code: 'ERR_DATA',
    })
    await refused('tokenToId: token', async (token) => tokenizer.tokenToId(token), NO_TEXTS)
    await refused('idToToken: id', async (id) => tokenizer.idToToken(id), [3.7, Number.NaN, '3', null])
    assert.equal(tokenizer.idToToken(2 ** 32 + 3), undefined)
  })

  test('folders and files', async () => {
    const NO_PATHS = [5, null, undefined, {}, ['a'], pathToFileURL(root)]
    const { attention, attach, inspect, inspectDelta, listAudio, readAudio, audioInfo, report } = tongueforge
    const paths = { inspect, inspectDelta, loadModel, verify: tongueforge.verify }
    for (const name of ['loadDecoder', 'loadEncoder', 'loadSpeechEncoder', 'measureSpeed'])
      paths[name] = tongueforge[name]
    for (const [name, call] of Object.entries(paths)) await refused(`${name}: folder`, call, NO_PATHS)
    await refused('attention: folder', (folder) => attention(folder, { data: 'x' }), NO_PATHS)
    await refused('attach: folder', (folder) => attach(folder), NO_PATHS)
    await refused('attach: after', (after) => attach('run', { after }), [-1, 1.5, '1', null])
    await refused('readAudio: path', (path) => readAudio(path), NO_PATHS)
    await refused('audioInfo: path', (path) => audioInfo(path), NO_PATHS)
    await refused('report: folders', (folders) => report(folders, { out: 'a.html' }), ['x', ...NO_LISTS])
    await refused('listAudio: sources', (sources) => listAudio(sources), ['a.wav', ...NO_LISTS])
    await refused('listAudio: sources.0', listAudio, [['a.wav'], [{ path: 5 }], [null]], {
      code: 'ERR_CONFIG',
    })
    await assert.rejects(listAudio([{ path: 'a.wav', colum: 'b' }]), { hint: "Did you mean 'column'?" })
    const least = (leastSeconds) => listAudio([], { leastSeconds })
    await refused('listAudio: leastSeconds', least, [-1, Number.NaN, '1', null])
    const [error] = await Promise.allSettled([inspect(pathToFileURL(root))])
    assert.match(error.reason.message, /received an instance of URL$/)
    assert.match(error.reason.hint, /fileURLToPath/)
  })

  test('numbers and words of loading and of verbs', async () => {
    const folder = join(root, 'decoder')
    const { verify, merge, demo, graft, trainVocabulary, extendVocabulary } = tongueforge
    const NO_THREADS = [Number.NaN, 1.5, Number.POSITIVE_INFINITY, -1, '1', null]
    const config = { models: [{ model: folder }], merge_method: 'passthrough' }
    const given = { target: folder, base: folder, chat: folder, out: join(root, 'out') }
    await refused('loadModel: threads', (threads) => loadModel(folder, { threads }), NO_THREADS)
    await refused('merge: threads', (threads) => merge(config, { out: given.out, threads }), NO_THREADS)
    await refused('graft: threads', (threads) => graft({ ...given, threads }), NO_THREADS)
    for (const key of ['device', 'dtype', 'adapter'])
      await refused(`loadModel: ${key}`, (value) => loadModel(folder, { [key]: value }), [1, null, {}])
    await refused('verify: seed', (seed) => verify(folder, { seed }), ['1', null, 1.5])
    await refused('verify: chunks', (chunks) => verify(folder, { chunks }), ['1', null, 0])
    await refused('demo: out', (out) => demo({ out }), [5, null])
    await refused('demo: seed', (seed) => demo({ seed, out: given.out }), [Number.NaN, '1', null])
    await refused(
      'loadLanguageIdentifier: model',
      (model) => tongueforge.loadLanguageIdentifier({ model }),
      [5],
    )
    const { target, out } = given
    await refused('graft: vectors', (vectors) => graft({ target, out, vectors }), [{}, 'x', 5])
    await refused('graft: vectors', (vectors) => graft({ target, out, vectors }), [[null], ['x']], {
      code: 'ERR_CONFIG',
    })
    const special = { code: 'ERR_CONFIG', message: /special_tokens: expected a list/ }
    const learn = (specialTokens) => trainVocabulary({ data: 'x', out, specialTokens })
    await refused('vocab train', learn, ['<|im_end|>', 5], special)
    const extend = (specialTokens) => extendVocabulary({ model: folder, out, specialTokens })
    await refused('vocab extend', extend, ['<|im_end|>', 5], special)
  })

  test('a server: models and deltas', async () => {
    const { serve } = tongueforge
    const folder = join(root, 'decoder')
    const NO_TABLES = [folder, 5, null, new Map([['a', folder]]), [folder]]
    await refused('models', (given) => serve({ models: given, port: 0 }), [...NO_TABLES, undefined])
    await refused('deltas', (deltas) => serve({ models: { a: folder }, deltas, port: 0 }), NO_TABLES)
  })
})
