// The command that serves: it listens, says where, and ends well when it is told to.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { asked, chatModel, clientOf } from '../helpers/served.mjs'
import { withDeadline } from '../helpers/stress.mjs'

const messages = [{ role: 'user', content: 'what is red ?' }]

/** The signal may be heard when the streams have already ended: asks until no answer comes. */
async function refused(url) {
  const answers = () => asked(url, '/health').then(Boolean, () => false)
  while (await answers()) await sleep(20)
}

describe('tongueforge serve', () => {
  const root = temporaryFolder()
  let folder
  before(async () => {
    folder = await chatModel(root, 'wide', { width: 256, layers: 4 })
  })

  /** Starts the command; resolves with its address, the process, and how it ends. */
  function started(args, options = {}) {
    return withDeadline(
      new Promise((resolve, reject) => {
        let out = ''
        const ended = cli(['serve', folder, '--port', '0', '--threads', '1', '--json', ...args], {
          ...options,
          onStart(child) {
            child.stdout.on('data', (text) => {
              out += text
              if (out.includes('}')) resolve({ ...JSON.parse(out), child, ended })
            })
          },
        })
        ended.then(({ err }) => reject(new Error(err)))
      }),
      'the start of the server',
    )
  }

  test('after SIGTERM streams that run end whole, no other request is taken, and the exit code is 0', async () => {
    const { url, models, child, ended } = await started([])
    assert.deepEqual(models, ['wide'])
    const { chat } = clientOf(url)
    const ask = () =>
      chat.completions.create({ messages, model: 'wide', max_tokens: 200, seed: 1, stream: true })
    const [first, second] = [await ask(), await ask()]
    const chunks = []
    for await (const chunk of first) {
      chunks.push(chunk)
      if (chunks.length === 3) child.kill('SIGTERM')
    }
    const others = []
    for await (const chunk of second) others.push(chunk)
    await withDeadline(refused(url), 'the server to take no other request')
    const { code, signal, err } = await withDeadline(ended, 'the end of the server')
    assert.deepEqual({ code, signal, err }, { code: 0, signal: null, err: '' })
    const text = (all) => all.map(({ choices }) => choices[0].delta.content ?? '').join('')
    assert.equal(text(others), text(chunks))
    for (const all of [chunks, others]) assert.match(all.at(-1).choices[0].finish_reason, /stop|length/)
  })

  test('the key comes from the environment, and names that are taken twice are refused', async () => {
    const { url, child, ended } = await started([], { env: { TONGUEFORGE_API_KEY: 'secret' } })
    assert.equal((await asked(url, '/v1/models')).status, 401)
    const list = await asked(url, '/v1/models', { headers: { authorization: 'Bearer secret' } })
    assert.equal(list.status, 200)
    assert.equal((await asked(url, '/health')).status, 200)
    child.kill('SIGINT')
    assert.equal((await withDeadline(ended, 'the end of the server')).code, 0)
    const twice = await cli(['serve', folder, folder])
    assert.equal(twice.code, 2)
    assert.match(twice.err, /expected another name than 'wide', which is taken[\s\S]*NAME=/)
    const none = await cli(['serve', folder, '--api-key-env', 'NO_SUCH_KEY'])
    assert.equal(none.code, 2)
    assert.match(none.err, /expected a key in NO_SUCH_KEY, found none/)
  })
})
