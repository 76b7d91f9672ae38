// Node alone, nothing of ours: files that a worker was about to open by fs.promises stay open when it is terminated. That is
// why lib/files.ts has none of them. `node test/stress/node_open_files.mjs [ROUNDS]`.
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

const rounds = Number(process.argv[2] ?? 30)
const folder = mkdtempSync(join(tmpdir(), 'node-open-files-'))
const names = Array.from({ length: 50 }, (_, i) => join(folder, `${i}.txt`))
for (const name of names) writeFileSync(name, 'x'.repeat(3000))

/** What a worker does until it is terminated: all files at once, again and again. */
const WAYS = {
  'fs.promises.open': `
    const { open } = require('node:fs/promises')
    const forever = async (name) => { for (;;) await (await open(name)).close() }
    names.forEach(forever)`,
  'fs.promises.readFile': `
    const { readFile } = require('node:fs/promises')
    const forever = async (name) => { for (;;) await readFile(name) }
    names.forEach(forever)`,
  'fs.readFile': `
    const { readFile } = require('node:fs')
    const forever = (name) => readFile(name, () => forever(name))
    names.forEach(forever)`,
}

function openFiles() {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return '' // that of the folder which was read
    }
  })
  return targets.filter((path) => path.startsWith(folder)).length
}

for (const [way, work] of Object.entries(WAYS)) {
  const before = openFiles()
  for (let i = 0; i < rounds; i++) {
    const begin = "const { workerData: names } = require('node:worker_threads')\n"
    const worker = new Worker(begin + work, { eval: true, workerData: names })
    await new Promise((online) => worker.once('online', online))
    await sleep(30 * Math.random())
    await worker.terminate()
  }
  await sleep(300)
  process.stdout.write(
    `Node ${process.version}, ${way}: ${openFiles() - before} files open after ${rounds} terminations\n`,
  )
}
rmSync(folder, { recursive: true })
