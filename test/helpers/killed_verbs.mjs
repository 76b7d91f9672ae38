// Verbs that are ended by force, at random instants and at every write-side call, and go on with --resume. A process
// takes most of its time to load, so the next one loads while one runs: the time of a kill is that of the work itself.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { loadModel } from 'tongueforge'
import { clone } from './cli.mjs'
import { compileShim, FailingCalls, KINDS } from './failing_calls.mjs'
import { random, seed, sleep, withDeadline } from './stress.mjs'
import { differences, howToGoOn, lastingHashes, notWhole, stamps, strays, VERBS } from './writing_verbs.mjs'

const DEADLINE = 1_200_000

/**
 * The states of a process's threads, and how long they ran and waited for a processor: a hang is told from a machine that has
 * no time for it.
 */
function whatIsOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => {
      const of = (name) => readFileSync(`/proc/${pid}/task/${thread}/${name}`, 'utf8')
      const [ran, waited] = of('schedstat')
        .split(' ')
        .map((ns) => Math.round(ns / 1e6))
      return `${of('comm').trim()} ${/\) (\w)/.exec(of('stat'))[1]} ran ${ran} ms, waited ${waited} ms`
    })
  } catch (error) {
    return [`${error}`]
  }
}

/** As withDeadline, of a child process. */
async function inTime(promise, { child }, what) {
  try {
    return await withDeadline(promise, what, DEADLINE)
  } catch (error) {
    throw new Error(`${error.message}: ${whatIsOf(child.pid).join('; ')}`, { cause: error })
  }
}

/** Every model folder of a stage that has a final name is whole: it loads. */
async function checkStages(out) {
  const stages = join(out, 'stages')
  const paths = existsSync(stages) ? readdirSync(stages, { recursive: true }) : []
  for (const path of paths)
    if (/(^|\/)config\.json$/.test(path) && !/(^|\/)\./.test(path))
      await (await loadModel(dirname(join(stages, path)))).dispose()
}

export class KilledVerb {
  kills = 0
  resumed = 0

  /** `home` is a folder of its own. */
  static async of(verb, home) {
    const killed = new KilledVerb(verb, home)
    killed.given = await killed.row.prepare(killed.inputs)
    killed.untouched = stamps(killed.inputs)
    killed.next = killed.load()
    await killed.finish()
    killed.expected = lastingHashes(killed.work)
    killed.told = killed.tell()
    killed.sweepAway()
    killed.time = await killed.finish()
    return killed
  }

  constructor(verb, home) {
    this.verb = verb
    this.row = VERBS[verb]
    this.inputs = join(home, 'inputs')
    this.work = join(home, 'work')
    this.env = { ...process.env, ...compileShim(home) }
    this.calls = new FailingCalls(this.env.FAIL_CONTROL)
    this.draw = random(seed)
  }

  /** A process that has loaded, or will have: `run(how)` starts the verb, `done` and `ended` say when it was over. */
  load() {
    const options = JSON.stringify({ verb: this.verb, given: this.given, out: join(this.work, 'out') })
    const program = join(clone, 'test/stress/killed_verb.mjs')
    const child = spawn(process.execPath, [program, options], { env: this.env })
    let err = ''
    child.stderr.setEncoding('utf8').on('data', (text) => {
      err += text
    })
    child.stdin.on('error', () => {})
    const loaded = once(child.stdout, 'data')
    const done = loaded.then(() => once(child.stdout, 'data'))
    const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal, err }))
    return { child, loaded, done, ended, run: (how) => child.stdin.write(JSON.stringify(how)) }
  }

  /** The process that has loaded meanwhile; another one begins to. */
  async process() {
    const { next } = this
    await inTime(next.loaded, next, `${this.verb}: loading`)
    this.next = this.load()
    return next
  }

  sweepAway() {
    rmSync(this.work, { recursive: true, force: true })
  }

  /** Runs it to its end, from whatever is there; resolves with the ms that it takes once it is loaded. */
  async finish(what = this.verb) {
    const found = howToGoOn(this.row, this.work)
    const one = await this.process()
    const began = performance.now()
    one.run(found)
    await inTime(Promise.race([one.done, one.ended]), one, what)
    const time = performance.now() - began
    const { code, signal, err } = await inTime(one.ended, one, what)
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `${what}: ${err}`)
    if (found.resume) this.resumed++
    return time
  }

  /** As `finish`; then the bytes are those of an undisturbed run, and nothing hidden or half written is left. */
  async checkResumed(what) {
    await this.finish(what)
    assert.deepEqual(differences(lastingHashes(this.work), this.expected), [], what)
    assert.deepEqual(this.tell(), this.told, what)
    assert.deepEqual(strays(this.work), [], what)
  }

  tell() {
    return this.row.tell?.(join(this.work, 'out'))
  }

  async checkWhole(what) {
    assert.deepEqual(notWhole(this.row, this.work, this.expected), [], what)
    await checkStages(join(this.work, 'out'))
    assert.deepEqual(stamps(this.inputs), this.untouched, what)
  }

  /** So many kills at random instants of a verb at work, three a run, which then comes to its end. */
  async atRandomInstants(count, onKill = () => {}) {
    let inRun = 0
    this.sweepAway()
    for (let kills = 0; kills < count; ) {
      const instant = this.draw() * this.time
      const { child, done, ended, run } = await this.process()
      run(howToGoOn(this.row, this.work))
      const late = await Promise.race([sleep(instant), done, ended])
      child.kill('SIGKILL')
      const { code, signal, err } = await ended
      const what = `${this.verb}: kill ${this.kills + 1} after ${instant} ms, seed ${seed}`
      assert.ok(signal === 'SIGKILL' || code === 0, `${what}: ${err}`)
      await this.checkWhole(what)
      if (!late) {
        kills++
        this.kills++
        onKill(this.kills)
      }
      if (++inRun < 3) continue
      inRun = 0
      await this.checkResumed(what)
      this.sweepAway()
    }
  }

  /**
   * One kill at each write-side call of a run, or at every `step`-th of them; a write is also cut in half before. Resolves
   * with the number of calls.
   */
  async atEveryCall(step = 1) {
    let kills = 0
    for (const { action, kinds } of [
      { action: 'kill', kinds: KINDS },
      { action: 'tear', kinds: ['write', 'copy'] },
    ])
      for (let at = 1 + Math.floor(this.draw() * step); ; at += step) {
        this.sweepAway()
        const one = await this.process()
        this.calls.order({ under: this.work, action, kinds, at })
        one.run({})
        const { code, signal, err } = await inTime(one.ended, one, this.verb)
        const { kind, path } = this.calls.over()
        const what = `${this.verb}: ${action} at call ${at}, ${kind} of ${path}`
        if (signal !== 'SIGKILL') {
          assert.equal(code, 0, `${what}: ${err}`)
          break
        }
        kills++
        this.kills++
        await this.checkWhole(what)
        await this.checkResumed(what)
      }
    return kills
  }

  async end() {
    const { child, ended } = this.next
    child.kill('SIGKILL')
    await ended
    this.calls.close()
  }
}
