// What every call asks of its options before it looks at anything else.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'

const tongueforge = createRequire(import.meta.url)('tongueforge')

/** Calls that take options, and what comes before these. */
const CALLS = {
  adapt: ['config.yaml'],
  attach: ['run'],
  attention: ['model'],
  clusters: ['config.yaml'],
  compress: ['config.yaml'],
  convert: [],
  applyDelta: [],
  extractDelta: [],
  demo: [],
  evaluate: ['config.yaml'],
  graft: [],
  inspect: ['model'],
  landscape: ['config.yaml'],
  listAudio: [[]],
  loadDecoder: ['model'],
  loadEncoder: ['model'],
  loadLanguageIdentifier: [],
  loadModel: ['model'],
  loadSpeechEncoder: ['model'],
  measureSpeed: ['model'],
  merge: ['config.yaml'],
  mergeAdapter: [],
  probe: ['config.yaml'],
  readAudio: ['sound.wav'],
  report: [['run']],
  serve: [],
  sweep: ['config.yaml'],
  train: ['config.yaml'],
  verify: ['model'],
  extendVocabulary: [],
  trainVocabulary: [],
}
/** Those that take none; what fastify registers checks its own. */
const WITHOUT = ['TongueforgeError', 'VERSION', 'audioInfo', 'doctor', 'fastify', 'inspectDelta', 'stats']

async function failure(name, options) {
  const outcome = tongueforge[name](...CALLS[name], options)
  return (outcome.result ?? outcome).then(
    () => assert.fail(`${name} accepts ${options}`),
    (error) => error,
  )
}

test('the calls below are all that there are', () => {
  assert.deepEqual(Object.keys(tongueforge).sort(), [...Object.keys(CALLS), ...WITHOUT].sort())
})

for (const [given, received] of [
  ['folder', "'folder'"],
  [null, 'nothing'],
  [7, '7'],
  [['folder'], '["folder"]'],
]) {
  test(`options that are ${received} are refused by every call, as a rejection`, async () => {
    for (const name of Object.keys(CALLS)) {
      const { code, message, hint } = await failure(name, given)
      assert.equal(code, 'ERR_USAGE', name)
      assert.equal(message, `${name}: expected an object of options, received ${received}`)
      assert.match(hint, /^Write \{ \w+: .*\}\.$/)
    }
  })
}

test('a key in the style of a config is told from an option', async () => {
  for (const name of Object.keys(CALLS)) {
    const { code, message, hint } = await failure(name, { dry_run: true })
    assert.deepEqual(
      { code, message, hint },
      {
        code: 'ERR_USAGE',
        message: `${name}: dry_run: unknown option`,
        hint: 'Options of a call are camelCase: dryRun.',
      },
    )
  }
})

test('a signal that is none is refused', async () => {
  const { code, message, hint } = await failure('compress', { signal: 'stop' })
  assert.equal(code, 'ERR_USAGE')
  assert.equal(message, "compress: signal: expected an AbortSignal, received 'stop'")
  assert.equal(hint, 'Write { signal: controller.signal }.')
})

test('a call without the folder that it writes says which key holds it', async () => {
  for (const name of ['merge', 'graft', 'report', 'trainVocabulary']) {
    const { code, message, hint } = await failure(name, {})
    assert.equal(code, 'ERR_USAGE')
    assert.equal(message, `${name}: out: expected text, received nothing`)
    assert.equal(hint, "Write { out: '...' }.")
  }
  assert.match((await failure('convert', { file: 3 })).message, /^convert: file: expected text, received 3$/)
})

/** What a call cannot do without. */
const NEEDED = {
  applyDelta: { delta: 'delta', out: 'out' },
  convert: { file: 'file', out: 'out' },
  extendVocabulary: { model: 'model', out: 'out' },
  extractDelta: { base: 'base', chat: 'chat', out: 'out' },
  graft: { out: 'out' },
  merge: { out: 'out' },
  mergeAdapter: { model: 'model', adapter: 'adapter', out: 'out' },
  report: { out: 'out.html' },
  trainVocabulary: { out: 'out' },
}

const RUN = ['dryRun', 'resume', 'overwrite']
const FLAGS = {
  ...{ adapt: RUN, clusters: RUN, compress: RUN, evaluate: RUN, landscape: RUN, merge: RUN, probe: RUN },
  ...{ sweep: RUN, train: [...RUN, 'showBatch', 'ownProcess'], extractDelta: RUN },
  graft: [...RUN, 'force', 'residual'],
  applyDelta: [...RUN, 'force'],
  convert: ['dryRun', 'overwrite'],
  mergeAdapter: ['dryRun', 'overwrite'],
  trainVocabulary: ['dryRun', 'overwrite'],
  extendVocabulary: ['dryRun', 'overwrite'],
  demo: ['overwrite'],
  report: ['overwrite'],
  inspect: ['scan', 'macs'],
}

test('what is no flag is not taken for one', async () => {
  for (const [name, flags] of Object.entries(FLAGS))
    for (const flag of flags)
      for (const [value, received] of [
        ['false', "'false'"],
        [0, '0'],
        [{}, '{}'],
      ]) {
        const { code, message } = await failure(name, { ...NEEDED[name], [flag]: value })
        assert.deepEqual(
          [code, message],
          ['ERR_USAGE', `${name}: ${flag}: expected true or false, received ${received}`],
        )
      }
})

test('an option that a call does not know is refused, with the one that may be meant', async () => {
  for (const name of Object.keys(CALLS)) {
    if (name === 'serve') continue // its schema does
    const { code, message, hint } = await failure(name, { ...NEEDED[name], bogus: 1 })
    assert.deepEqual([code, message], ['ERR_USAGE', `${name}: bogus: unknown option`])
    assert.match(hint, /^Known keys: \w+/)
  }
  const meant = async (name, key) => (await failure(name, { ...NEEDED[name], [key]: true })).hint
  for (const name of Object.keys(FLAGS).filter((name) => FLAGS[name].includes('dryRun')))
    assert.equal(await meant(name, 'dryrun'), "Did you mean 'dryRun'?", name)
  assert.equal(await meant('loadModel', 'devise'), "Did you mean 'device'?")
  assert.equal(await meant('verify', 'chunk'), "Did you mean 'chunks'?")
  const { code } = await failure('inspect', { bogus: undefined })
  assert.equal(code, 'ERR_NOT_FOUND') // of the folder
})

test('options are not taken from the place of callbacks', async () => {
  const call = tongueforge.graft(
    { target: 'target', base: 'base', chat: 'chat', out: 'out' },
    { dryRun: true },
  )
  await assert.rejects(call, { code: 'ERR_USAGE', message: 'graft: dryRun: unknown option' })
})

test('callbacks are looked at like options', async () => {
  await assert.rejects(tongueforge.graft({ out: 'out' }, 'folder'), {
    code: 'ERR_USAGE',
    message: "graft: expected an object of options, received 'folder'",
  })
})
