// A delta extracted and applied through the command, killed at any instant: the output is absent or complete, and
// --resume goes on to the very bytes of an undisturbed run.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, random, report, rounds, seed, sleep } from '../helpers/stress.mjs'
import { writeDescendant, writeTinyModel } from '../helpers/tiny_model.mjs'

const home = temporaryFolder()
const draw = random(seed)
const [target, base, chat] = ['target', 'base', 'chat'].map((name) => join(home, name))
const extraction = ['extract', '--base', base, '--chat', chat, '--format']

before(async () => {
  await writeTinyModel(base, { width: 384, layers: 3 })
  await writeDescendant(base, chat, { seed: 2, size: 0.1 })
  await writeDescendant(base, target, { seed: 3, size: 0.2 })
})

function start(args, out) {
  const command = [join(clone, 'dist/cli/main.js'), 'delta', ...args, '--out', out, '--json']
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, ended: endOf(child, 'delta') }
}

async function finish(args, out) {
  const { code, err } = await start(args, out).ended
  assert.equal(code, 0, err)
}

for (const [name, args, file] of [
  ['topk', [...extraction, 'topk'], 'delta.safetensors'],
  ['lowrank', [...extraction, 'lowrank', '--rank', '16'], 'delta.safetensors'],
  ['apply', ['apply', '--target', target, '--delta', join(home, 'whole-topk')], 'model.safetensors'],
])
  test(`${name}: kill -9 at any instant leaves nothing or all, and resumes to the same bytes`, async (t) => {
    const whole = join(home, `whole-${name}`)
    const begin = performance.now()
    await finish(args, whole)
    const time = performance.now() - begin
    const place = join(home, 'results', name)
    const bytes = (folder) => readFileSync(join(folder, file))
    let kills = 0
    const count = rounds({ quick: 2, full: 30 })
    for (let i = 0; i < count; i++) {
      for (let stop = 0; stop < 2 && !existsSync(place); stop++) {
        const { child, ended } = start([...args, '--resume'], place)
        await Promise.race([sleep(draw() * time), ended])
        child.kill('SIGKILL')
        if ((await ended).signal === 'SIGKILL') kills++
        if (existsSync(place)) assert.ok(bytes(place).equals(bytes(whole)))
      }
      if (!existsSync(place)) await finish([...args, '--resume'], place)
      assert.ok(bytes(place).equals(bytes(whole)))
      assert.deepEqual(readdirSync(join(home, 'results')), [name])
      rmSync(join(home, 'results'), { recursive: true })
    }
    report(t, `${kills} kills in ${count} runs of ${Math.round(time)} ms`)
  })
