// Verbs that are ended by force, at random instants and at every write-side call, and go on with --resume. A process
// takes most of its time to load, so the next one loads while one runs: the time of a kill is that of the work itself.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { clone } from './cli.mjs'
import { compileShim, FailingCalls, KINDS } from './failing_calls.mjs'
import { random, seed, sleep, withDeadline } from './stress.mjs'
import { differences, howToGoOn, lastingHashes, notWhole, strays, VERBS } from './writing_verbs.mjs'

const DEADLINE = 300_000

export class KilledVerb {
  kills = 0
  resumed = 0

  /** `home` is a folder of its own. */
  static async of(verb, home) {
    const killed = new KilledVerb(verb, home)
    killed.given = await killed.row.prepare(join(home, 'inputs'))
    killed.next = killed.load()
    await killed.finish()
    killed.expected = lastingHashes(killed.work)
    const began = performance.now()
    killed.sweepAway()
    await killed.finish()
    killed.time = performance.now() - began
    return killed
  }

  constructor(verb, home) {
    this.verb = verb
    this.row = VERBS[verb]
    this.work = join(home, 'work')
    this.env = { ...process.env, ...compileShim(home) }
    this.calls = new FailingCalls(this.env.FAIL_CONTROL)
    this.draw = random(seed)
  }

  /** A process that has loaded, or will have: `run(how)` starts the verb, `ended` is its exit code and signal. */
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
    const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal, err }))
    return { child, loaded, ended, run: (how) => child.stdin.write(JSON.stringify(how)) }
  }

  /** The process that has loaded meanwhile; another one begins to. */
  async process() {
    const { next } = this
    await withDeadline(next.loaded, `${this.verb}: loading`, DEADLINE)
    this.next = this.load()
    return next
  }

  sweepAway() {
    rmSync(this.work, { recursive: true, force: true })
  }

  /** Runs it to its end, from whatever is there. */
  async finish(what = this.verb) {
    const found = howToGoOn(this.row, this.work)
    const { ended, run } = await this.process()
    run(found)
    const { code, signal, err } = await withDeadline(ended, what, DEADLINE)
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `${what}: ${err}`)
    if (found.resume) this.resumed++
  }

  /** As `finish`; then the bytes are those of an undisturbed run, and nothing hidden or half written is left. */
  async checkResumed(what) {
    await this.finish(what)
    assert.deepEqual(differences(lastingHashes(this.work), this.expected), [], what)
    assert.deepEqual(strays(this.work), [], what)
  }

  checkWhole(what) {
    assert.deepEqual(notWhole(this.row, this.work, this.expected), [], what)
  }

  /** So many kills at random instants, three a run, which then comes to its end. */
  async atRandomInstants(count, onKill = () => {}) {
    let inRun = 0
    this.sweepAway()
    for (let kills = 0; kills < count; ) {
      const instant = this.draw() * this.time
      const { child, ended, run } = await this.process()
      run(howToGoOn(this.row, this.work))
      await Promise.race([sleep(instant), ended])
      child.kill('SIGKILL')
      const { code, signal, err } = await ended
      const what = `${this.verb}: kill ${this.kills + 1} after ${instant} ms, seed ${seed}`
      assert.ok(signal === 'SIGKILL' || code === 0, `${what}: ${err}`)
      if (signal === 'SIGKILL') {
        kills++
        this.kills++
        this.checkWhole(what)
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
        const { ended, run } = await this.process()
        this.calls.order({ under: this.work, action, kinds, at })
        run({})
        const { code, signal, err } = await withDeadline(ended, this.verb, DEADLINE)
        const { kind, path } = this.calls.over()
        const what = `${this.verb}: ${action} at call ${at}, ${kind} of ${path}`
        if (signal !== 'SIGKILL') {
          assert.equal(code, 0, `${what}: ${err}`)
          break
        }
        kills++
        this.kills++
        this.checkWhole(what)
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
