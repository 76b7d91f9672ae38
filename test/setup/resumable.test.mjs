// Downloads that break, from a package index of one wheel on this machine, with the real pip and Python.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as listener } from 'node:net'
import { devNull } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { cacheFolder } from '#lib/libtorch_folders'
import { downloadResumably, downloadWheel, reportedWheels, tellsWithoutDownload } from '#lib/setup/resumable'
import { thisOwner } from '#lib/work_paths'
import { emptyFolder } from '../helpers/cli.mjs'
import { makeWheel, torchFiles } from '../helpers/wheels.mjs'

const wheel = makeWheel(emptyFolder(), 'torch', '2.13.0', {
  ...torchFiles(),
  'torch/lib/libtorch_cpu.so': randomBytes(3e6),
})
const bytes = readFileSync(wheel)
const sha256 = createHash('sha256').update(bytes).digest('hex')

/** Where each download of ours began, and after how many bytes the server breaks it: one entry a request, then none. */
let began
let breaks
/** Whether the server tells us how much it sends. */
let counts
const server = createServer((request, response) => {
  if (request.url.startsWith('/simple/torch')) {
    response.setHeader('Content-Type', 'text/html')
    return response.end(`<a href="/files/${basename(wheel)}#sha256=${sha256}">${basename(wheel)}</a>`)
  }
  const [, from, to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? []
  const [start, end] = [Number(from ?? 0), Number(to || bytes.length - 1)]
  const ours = request.headers['user-agent'].startsWith('Python-urllib')
  const range = { 'Accept-Ranges': 'bytes', ...((counts || !ours) && { 'Content-Length': end + 1 - start }) }
  if (from !== undefined) range['Content-Range'] = `bytes ${start}-${end}/${bytes.length}`
  response.writeHead(from === undefined ? 200 : 206, range)
  if (request.method === 'HEAD') return response.end()
  if (ours) began.push(start)
  const least = ours ? breaks.shift() : undefined
  if (least === undefined) return response.end(bytes.subarray(start, end + 1))
  response.write(bytes.subarray(start, start + least), () => setTimeout(() => response.destroy(), 50))
})

before(() => new Promise((ready) => server.listen(0, '127.0.0.1', ready)))
after(() => server.close())
beforeEach(() => {
  process.env.TONGUEFORGE_CACHE = join(emptyFolder(), 'cache')
  process.env.TONGUEFORGE_TORCH_INDEX = `http://127.0.0.1:${server.address().port}/simple`
  process.env.PIP_CONFIG_FILE = devNull // this machine may have another index beside
  for (const name of ['PIP_FIND_LINKS', 'PIP_NO_INDEX', 'PIP_EXTRA_INDEX_URL']) delete process.env[name]
  began = []
  breaks = []
  counts = true
})

const parts = () => readdirSync(join(cacheFolder(), 'downloads'))

async function download(options) {
  const folder = join(emptyFolder(), 'wheels')
  const done = await downloadResumably(['torch==2.13.0'], folder, { dependencies: false, ...options })
  return { done, file: join(folder, basename(wheel)) }
}

test('a download that breaks twice goes on where it stopped, and is whole', async () => {
  breaks = [1e6, 5e5]
  const seen = []
  const { done, file } = await download({ onProgress: (progress) => seen.push(progress) })
  assert.equal(done, true)
  assert.ok(readFileSync(file).equals(bytes))
  assert.deepEqual(began, [0, 1e6, 1.5e6])
  assert.deepEqual(parts(), [])
  assert.ok(seen.some(({ step, total }) => step === 'downloading torch' && total === bytes.length))
})

test('where nothing more comes it says so, and the next set-up goes on', async () => {
  breaks = [1e6, 0]
  await assert.rejects(download(), {
    code: 'ERR_LIBTORCH',
    message: /^the download of torch-2\.13\.0-py3-none-any\.whl broke off/,
    hint: 'npx tongueforge setup, again: it goes on where it stopped',
  })
  assert.deepEqual(parts(), [`${sha256}.part`])
  began = []
  const { file } = await download()
  assert.deepEqual(began, [1e6])
  assert.ok(readFileSync(file).equals(bytes))
})

test('what a killed set-up got is gone on with; what a running one writes is left alone', async () => {
  mkdirSync(join(cacheFolder(), 'downloads'), { recursive: true })
  const ours = thisOwner().replace(/-\d+$/, '-1') // process 1 runs
  const dead = ours.replace(/-1$/, '-999999999')
  const theirs = dead.replace(/^\w+/, '0123456789ab') // of another container: it may well run there
  for (const owner of [ours, dead, theirs])
    writeFileSync(join(cacheFolder(), 'downloads', `${sha256}.part.${owner}`), bytes.subarray(0, 2e6))
  const { file } = await download()
  assert.deepEqual(began, [2e6])
  assert.ok(readFileSync(file).equals(bytes))
  assert.deepEqual(parts(), [ours, theirs].map((owner) => `${sha256}.part.${owner}`).sort())
})

test('a wheel of another hash than the index tells is refused, and no part of it kept', async () => {
  const url = `http://127.0.0.1:${server.address().port}/files/${basename(wheel)}`
  await assert.rejects(downloadWheel({ url, sha256: 'a'.repeat(64) }, emptyFolder(), {}), {
    code: 'ERR_LIBTORCH',
    message: /^torch-2\.13\.0-py3-none-any\.whl has another SHA-256 than its index tells/,
    hint: 'npx tongueforge setup, to fetch it anew',
  })
  assert.deepEqual(parts(), [])
})

test('a server that does not tell the length is no hindrance: breaks are noticed, and the hash decides', async () => {
  counts = false
  breaks = [1e6]
  const seen = []
  const { done, file } = await download({ onProgress: (progress) => seen.push(progress) })
  assert.equal(done, true)
  assert.ok(readFileSync(file).equals(bytes))
  assert.equal(began.length, 2)
  assert.ok(began[1] > 0)
  const told = seen.filter(({ step, done }) => step === 'downloading torch' && done !== undefined)
  assert.ok(told.length > 0 && told.every(({ total }) => total === undefined))
  const url = `http://127.0.0.1:${server.address().port}/files/${basename(wheel)}`
  assert.equal(await downloadWheel({ url, sha256: 'a'.repeat(64) }, emptyFolder(), {}), false)
  assert.deepEqual(parts(), [])
})

test('what is no answer of HTTP is left to pip', async () => {
  const babbler = listener((socket) => socket.on('error', () => {}).end('what ?\r\n\r\n'))
  await new Promise((ready) => babbler.listen(0, '127.0.0.1', ready))
  const url = `http://127.0.0.1:${babbler.address().port}/files/${basename(wheel)}`
  try {
    assert.equal(await downloadWheel({ url, sha256 }, emptyFolder(), {}), false)
  } finally {
    babbler.close()
  }
})

test('an aborted download rejects with the reason, and what came of it is kept', async () => {
  breaks = Array.from({ length: 1000 }, () => 1e4) // never over before it is aborted
  const reason = new Error('enough')
  const abort = new AbortController()
  const onProgress = ({ done }) => done > 0 && abort.abort(reason)
  await assert.rejects(download({ signal: abort.signal, onProgress }), reason)
  assert.deepEqual(parts(), [`${sha256}.part`])
})

test('what the index does not have, or tells no address or hash of, is left to pip', async () => {
  assert.equal(await downloadResumably(['torch==9'], emptyFolder(), { dependencies: false }), false)
  assert.deepEqual(began, [])
  const report = (url, sha256) =>
    JSON.stringify({ install: [{ download_info: { url, archive_info: { hashes: { sha256 } } } }] })
  const url = 'https://index.example/torch.whl'
  assert.deepEqual(reportedWheels(`${report(url, sha256)}\nWARNING: old`), [{ url, sha256 }])
  assert.deepEqual(reportedWheels(report(url, undefined)), [])
  assert.deepEqual(reportedWheels(report('file:///wheels/torch.whl', sha256)), [])
  assert.deepEqual(reportedWheels('no such option: --report'), [])
})

test('pip is asked only where asking does not download', () => {
  assert.equal(tellsWithoutDownload('pip 23.2.1 from /somewhere (python 3.11)'), false)
  assert.equal(tellsWithoutDownload('pip 23.3 from /somewhere (python 3.11)'), true)
  assert.equal(tellsWithoutDownload('pip 26.0.1 from /somewhere (python 3.14)'), true)
  assert.equal(tellsWithoutDownload('No module named pip'), false)
})
