// Verbs that meet faults of storage, one after the other in this one process, which lives on: started by
// storage_faults.test.mjs with the shim of failing_calls.c. Prints a line of JSON a verb: what was counted, and what was
// not as it should be.
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { FailingCalls, KINDS } from '../helpers/failing_calls.mjs'
import { loadVerb } from '../helpers/running_verbs.mjs'
import { random } from '../helpers/stress.mjs'
import {
  differences,
  howToGoOn,
  lastingHashes,
  notWhole,
  stamps,
  strays,
  VERBS,
} from '../helpers/writing_verbs.mjs'

const { verbs, home, seed, most, only = '', part = 1, parts = 1 } = JSON.parse(process.argv[2])
const calls = new FailingCalls(process.env.FAIL_CONTROL)
const draw = random(seed)

/** What a full disk refuses. */
const ROOM = ['create', 'mkdir', 'write', 'copy', 'allocate', 'truncate', 'sync', 'close', 'rename', 'link']
const NEEDS_BYTES = ['write', 'copy', 'allocate', 'truncate']
const CODES = { ENOSPC: 'ERR_NO_SPACE', EDQUOT: 'ERR_NO_SPACE', EIO: 'ERR_IO' }

/** The ways in which a call of a kind may go wrong: once, or from then on. */
function faultsOf(kind) {
  const errors = ROOM.includes(kind) ? ['ENOSPC', 'EIO', 'EDQUOT'] : ['EIO']
  const failing = errors.flatMap((error) => [
    { action: 'fail', error, after: [] },
    { action: 'fail', error, after: error === 'EIO' ? KINDS : ROOM },
  ])
  if (kind !== 'write' && kind !== 'copy') return failing
  return [...failing, { action: 'shorten', after: [] }, { action: 'shorten', after: [kind] }]
}

class FailingVerb {
  failures = []
  met = 0
  refused = 0

  constructor(verb, folder) {
    this.verb = verb
    this.row = VERBS[verb]
    this.inputs = join(folder, 'inputs')
    this.work = join(folder, 'work')
  }

  async prepare() {
    this.run = await loadVerb(this.verb)
    this.given = await this.row.prepare(this.inputs)
    this.untouched = stamps(this.inputs)
    const absent = await this.undisturbed({})
    this.expected = lastingHashes(this.work)
    const began = performance.now()
    const there = await this.undisturbed({ overwrite: true })
    this.time = performance.now() - began
    const other = differences(lastingHashes(this.work), this.expected)
    if (other.length > 0) throw new Error(`${this.verb}: two undisturbed runs differ in ${other}`)
    this.counts = { absent: absent.counts, there: there.counts }
  }

  async undisturbed(how) {
    const ended = await this.attempt({}, how)
    if (ended.error) throw ended.error
    return ended
  }

  async attempt(order, how) {
    calls.order({ under: this.work, ...order })
    const error = await this.run(this.given, join(this.work, 'out'), how).then(
      () => undefined,
      (thrown) => thrown,
    )
    return { error, ...calls.over() }
  }

  sweepAway() {
    rmSync(this.work, { recursive: true, force: true })
  }

  /** All faults of all calls, with what is there before: nothing, or an earlier result. */
  cases() {
    const { absent, there } = this.counts
    const numbers = (kind) => Array.from({ length: Math.max(absent[kind], there[kind]) }, (_, i) => i + 1)
    return KINDS.flatMap((kind) =>
      numbers(kind).flatMap((at) =>
        faultsOf(kind).map((fault, i) => {
          const replaces = at > absent[kind] || (at <= there[kind] && (at + i) % 2 === 1)
          return { kind, at, before: replaces ? 'there' : 'absent', ...fault }
        }),
      ),
    )
  }

  /** In every run: without its config a folder must be one to begin in. */
  always() {
    if (this.row.kind !== 'run') return []
    const under = join(this.work, 'out/.tmp-resolved.yaml')
    return [{ under, kind: 'write', at: 1, before: 'absent', action: 'fail', error: 'ENOSPC', after: [] }]
  }

  /** Brings the folder to what a case begins with. */
  async begin(before) {
    if (before === 'there' && differences(lastingHashes(this.work), this.expected).length === 0) return
    this.sweepAway()
    if (before === 'there') await this.undisturbed({})
  }

  async meet(one, i) {
    await this.begin(one.before)
    const order = { ...one, kinds: [one.kind] }
    const ended = await this.attempt(order, one.before === 'there' ? { overwrite: true } : {})
    const lasts = one.after.length > 0 ? ' and on' : ''
    const what = `${this.verb}, ${one.before}: ${one.action} ${one.error ?? ''} ${one.kind} ${one.at}${lasts} (${ended.path})`
    if (ended.met > 0) this.met++
    if (ended.error) this.refused++
    this.check(what, ended.error ? this.wrongIn(ended, one) : this.others(one))
    this.check(what, this.torn())
    // Who goes on may meet the same again.
    if (this.row.kind === 'run' && ended.error && i % 3 === 0) {
      await this.attempt(order, howToGoOn(this.row, this.work))
      this.check(`${what}, twice`, this.torn())
    }
    await this.goOn(what, i, one.after.includes('rename'))
  }

  /** Without the fault: to the bytes of an undisturbed run, and nothing is left over. */
  async goOn(what, i, nothingCouldGo) {
    const how = howToGoOn(this.row, this.work, i % 2 === 1)
    const { error } = await this.attempt({}, how)
    this.check(what, error && `then ${JSON.stringify(how)} failed: ${error.stack}`)
    if (!error) this.check(`${what}, then ${JSON.stringify(how)}`, this.others())
    const left = strays(this.work)
    // A folder that this process could neither delete nor rename is for others to delete, once the process has ended.
    const tolerated = nothingCouldGo && left.every((path) => /\.(tmp|trash)-/.test(path))
    this.check(what, left.length > 0 && !tolerated && `left ${left}`)
    if (left.length > 0 || error) this.sweepAway()
  }

  check(what, wrong) {
    if (wrong) this.failures.push(`${what}: ${wrong}`)
  }

  /** Of a picture that cannot be drawn a run only warns; a lock that cannot be deleted names nobody, unless nothing works. */
  others({ after = [] } = {}) {
    const names = differences(lastingHashes(this.work), this.expected).filter((name) => {
      const size = statSync(join(this.work, name), { throwIfNoEntry: false })?.size
      if (name.endsWith('curves.svg')) return size !== undefined
      return !(name.endsWith('run.lock') && (size === 0 || after.includes('truncate')))
    })
    return names.length > 0 && `came to other bytes in ${names}`
  }

  torn() {
    const names = notWhole(this.row, this.work, this.expected)
    if (names.length > 0) return `not whole: ${names}`
    return !isDeepStrictEqual(stamps(this.inputs), this.untouched) && 'an input was changed'
  }

  wrongIn({ error, met, kind, path }, { error: name, action }) {
    const { code, message, hint, details = {}, cause } = error
    const said = JSON.stringify({ code, message, details }).slice(0, 400)
    if (met === 0) return `no call was met, and yet: ${error.stack}`
    if (code !== CODES[name]) return `expected ${CODES[name]}, received ${said} ${error.stack}`
    if (!message.includes(this.work)) return `nothing of ${path} in ${said}`
    if (!hint) return `no hint in ${said}`
    // Of calls that fail from one on, the error may be of a later one than was met first, which had no bytes to write.
    const without =
      ['mkdir', 'open'].includes(cause?.syscall) || message.startsWith('Could not create folder')
    const needs = action === 'fail' && code === 'ERR_NO_SPACE' && NEEDS_BYTES.includes(kind) && !without
    return needs && !(Number(details.bytes_needed) > 0) && `no bytes_needed in ${said}`
  }
}

/** Faults of some kind of call that have come up, whatever the verb. */
const dealt = new Set()

/** As many as there is room for, by the seed: those first that have not come up yet. */
function sampled(cases) {
  if (most === undefined) return cases
  const shuffled = cases.map((one) => [draw(), one]).sort(([a], [b]) => a - b)
  const chosen = []
  for (const fresh of [true, false])
    for (const [, one] of shuffled) {
      const key = `${one.kind} ${one.error} ${one.action} ${one.after.length > 0}`
      if (chosen.length === most) return chosen
      if (chosen.includes(one) || (fresh && dealt.has(key))) continue
      dealt.add(key)
      chosen.push(one)
    }
  return chosen
}

for (const verb of verbs) {
  const began = performance.now()
  const failing = new FailingVerb(verb, join(home, verb.replaceAll(' ', '_')))
  await failing.prepare()
  const ours = (_, i) => i % parts === part - 1
  const chosen = sampled(failing.cases().filter(({ kind, at }) => `${kind} ${at}`.startsWith(only))).filter(
    ours,
  )
  const cases = most === 0 ? [] : [...failing.always(), ...chosen]
  for (const [i, one] of cases.entries()) await failing.meet(one, i)
  const { counts, time, met, refused, failures } = failing
  const seconds = (performance.now() - began) / 1000
  const told = { verb, counts, time, cases: cases.length, met, refused, seconds, failures }
  process.stdout.write(`${JSON.stringify(told)}\n`)
}
process.exit(0)
