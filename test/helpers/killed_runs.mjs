// Runs of a verb through the command that are ended by force at any instant, and go on with --resume.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel } from 'tongueforge'
import { clone } from './cli.mjs'
import { endOf, random, seed, sleep } from './stress.mjs'

/** Starts `tongueforge VERB ...args --json ...more`; `ended` resolves with {code, signal, out, err}. */
export const starter =
  (verb, args) =>
  (...more) => {
    const command = [join(clone, 'dist/cli/main.js'), verb, ...args, '--json', ...more]
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
    return { child, ended: endOf(child, verb) }
  }

/** A run that is left alone: its milliseconds, and what it told. */
export async function undisturbed(start) {
  const begun = performance.now()
  const { code, out, err } = await start().ended
  assert.equal(code, 0, err)
  return { time: performance.now() - begun, told: JSON.parse(out) }
}

/**
 * So many runs in the folder `run`, each killed three times and then left to its end. `checkKilled` looks at what a kill
 * leaves; `checkEnded` at the run and what it told, and returns whether it has gone on from something. Nothing hidden or half
 * written stays. Resolves with how many kills met a run, and how many runs have gone on.
 */
export async function killedRuns(count, { start, run, time, checkKilled, checkEnded }) {
  const draw = random(seed)
  let [kills, resumed] = [0, 0]
  for (let i = 0; i < count; i++) {
    // Once over the whole run, the instants spread evenly; then twice more as it goes on.
    for (const share of [(i + draw()) / count, draw(), draw()]) {
      const { child, ended } = start('--resume')
      await Promise.race([sleep(share * time), ended])
      child.kill('SIGKILL')
      if ((await ended).signal === 'SIGKILL') kills++
      await checkKilled()
    }
    const { code, out, err } = await start('--resume').ended
    assert.equal(code, 0, err)
    if (checkEnded(JSON.parse(out))) resumed++
    const left = readdirSync(run, { recursive: true }).filter((path) => /\.new$|(^|\/)\./.test(path))
    assert.deepEqual(left, [])
    rmSync(run, { recursive: true })
  }
  return { kills, resumed }
}

/** Every model folder of a run with stages that has a final name is whole: it loads. */
export async function checkModels(run) {
  const stages = join(run, 'stages')
  const names = existsSync(stages) ? readdirSync(stages).filter((name) => !name.startsWith('.')) : []
  const places = [
    ...['model', 'compressed'].map((name) => join(run, name)),
    ...names.flatMap((name) => [join(stages, name), join(stages, name, 'model')]),
  ]
  for (const place of places)
    if (existsSync(join(place, 'config.json'))) await (await loadModel(place)).dispose()
}
