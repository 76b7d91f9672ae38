// Vectors of texts over HTTP.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { asked, clientOf, served } from '../helpers/served.mjs'
import { idOf, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

describe('/v1/embeddings', () => {
  const root = temporaryFolder()
  let server
  let client
  let encoder
  before(async () => {
    await writeTinyEncoder(join(root, 'encoder'))
    encoder = await loadModel(join(root, 'encoder'), { threads: 1 })
    server = await served({ models: { encoder } })
    client = clientOf(server.url)
  })
  after(async () => {
    await server.close()
    await encoder.dispose()
  })

  test('vectors are those of the encoder, of length 1, as numbers and as base64', async () => {
    const input = ['the old dog', 'a bird sees']
    const vectors = (await encoder.embed(input, { normalize: true })).map((vector) => [...vector])
    // The client asks for base64, and makes numbers of it, unless it is told otherwise.
    for (const encoding_format of [undefined, 'float']) {
      const { data, model, usage } = await client.embeddings.create({
        model: 'encoder',
        input,
        encoding_format,
      })
      assert.deepEqual(
        data.map(({ embedding }) => [...embedding]),
        vectors,
      )
      assert.deepEqual(
        data.map(({ index, object }) => [index, object]),
        [
          [0, 'embedding'],
          [1, 'embedding'],
        ],
      )
      assert.equal(model, 'encoder')
      assert.deepEqual(usage, { prompt_tokens: 10, total_tokens: 10 })
    }
    for (const vector of vectors) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5)
    const [whole] = (await client.embeddings.create({ input: input[0], dimensions: 16 })).data
    assert.deepEqual([...whole.embedding], vectors[0])
    const ids = ['[CLS]', 'the', 'old', 'dog', '[SEP]'].map(idOf)
    const [ofIds] = (await client.embeddings.create({ input: ids })).data
    assert.deepEqual([...ofIds.embedding], vectors[0])
  })

  test('pooling and length are as the server is told', async () => {
    const other = await served({ models: { encoder }, pooling: 'cls', normalize: false })
    const { json } = await asked(other.url, '/v1/embeddings', { body: { input: 'the old dog' } })
    const [expected] = await encoder.embed('the old dog', { pooling: 'cls' })
    assert.deepEqual(json.data[0].embedding, [...expected])
    await other.close()
  })

  test('a folder of an encoder is loaded beside options of models that write', async () => {
    const load = { threads: 1, serving: { sequences: 2 } }
    const other = await served({ models: { encoder: join(root, 'encoder') }, load })
    const { json } = await asked(other.url, '/v1/embeddings', { body: { input: 'the old dog' } })
    const [expected] = await encoder.embed('the old dog', { normalize: true })
    assert.deepEqual(json.data[0].embedding, [...expected])
    await other.close()
  })

  test('/v1/models tells what it is for', async () => {
    const { data } = await client.models.list()
    assert.deepEqual(data, [
      {
        id: 'encoder',
        object: 'model',
        created: data[0].created,
        owned_by: 'tongueforge',
        kind: 'encoder',
        dimensions: 16,
      },
    ])
    assert.ok(Math.abs(data[0].created - Date.now() / 1000) < 600)
    assert.deepEqual(await client.models.retrieve('encoder'), data[0])
  })
})
