// Every verb that writes meets every fault of storage at every write-side call: no room, an error of the device, a quota
// that is used up, once or from then on, and writes that take less than they were given. Each is one coded error that
// names the file, what was there before is whole, nothing half made is taken for whole, and the next run comes to the
// bytes of an undisturbed one. In full all calls; otherwise a share of them, in which each fault comes up.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { clone } from '../helpers/cli.mjs'
import { compileShim, FailingCalls, KINDS } from '../helpers/failing_calls.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, full, report, seed } from '../helpers/stress.mjs'
import { lastingHashes, VERBS } from '../helpers/writing_verbs.mjs'

const root = temporaryFolder()
const program = join(clone, 'test/stress/failing_verbs.mjs')
/** Of each verb, where not all: TONGUEFORGE_FAULTS says another number. */
const CASES = 4
const most = Number(process.env.TONGUEFORGE_FAULTS) || (full ? undefined : CASES)

/** `2/4`: of a verb's faults every fourth, from the second on. Adapt has 6,700, of a second and a half each with what follows. */
const [part, parts] = (process.env.TONGUEFORGE_FAULTS_PART ?? '1/1').split('/').map(Number)
const HOURS = 6 * 3_600_000

/** Has its own orders, so that tests do not meet each other. */
function setting(name) {
  const folder = join(root, name.replaceAll(' ', '_'))
  mkdirSync(folder)
  return { folder, env: { ...process.env, ...compileShim(folder) } }
}

async function meetFaults(verbs, { folder, env }, cases = most) {
  const options = JSON.stringify({ verbs, home: folder, seed, most: cases, part, parts })
  const child = spawn(process.execPath, [program, options], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const { code, out, err } = await endOf(child, `${verbs}`, full ? HOURS : 600_000)
  assert.equal(code, 0, err)
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

for (const verbs of full ? Object.keys(VERBS).map((verb) => [verb]) : [Object.keys(VERBS)])
  test(`faults of storage: ${verbs.join(', ')}`, async (t) => {
    const all = await meetFaults(verbs, setting(verbs[0]))
    assert.deepEqual(
      all.map(({ verb }) => verb),
      verbs,
    )
    for (const { verb, counts, cases, met, refused, seconds } of all) {
      const calls = KINDS.reduce((sum, kind) => sum + Math.max(counts.absent[kind], counts.there[kind]), 0)
      report(
        t,
        `${verb}: ${calls} calls, ${cases} faults, ${met} met, ${refused} refused, ${Math.round(seconds)} s`,
      )
      assert.ok(calls > 0 && met > 0, verb)
    }
    assert.ok(all.some(({ refused }) => refused > 0)) // a single one may have met short writes only
    const failures = all.flatMap(({ failures }) => failures)
    assert.deepEqual(failures, [], `${failures.length} failures, seed ${seed}`)
  })

/** What `strace -f -y` calls the kinds, and which of its lines are not meant. */
const TRACED = {
  create: /^(open|openat|creat)\(.*O_(WRONLY|RDWR|CREAT|TRUNC)/,
  mkdir: /^mkdir(at)?\(/,
  write: /^p?write(64|v|v2)?\(/,
  copy: /^(copy_file_range|sendfile|ioctl)\(/,
  allocate: /^fallocate\(/,
  truncate: /^f?truncate\(/,
  sync: /^f(data)?sync\(/,
  rename: /^rename(at2?)?\(/,
  link: /^(sym)?link(at)?\(/,
  unlink: /^(unlink(at)?|rmdir)\(/,
  lock: /^flock\(/,
  mode: /^f?chmod(at)?\(/,
}
const SYSCALLS =
  'open,openat,creat,mkdir,mkdirat,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,ioctl,fallocate,' +
  'truncate,ftruncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,' +
  'flock,chmod,fchmod,fchmodat,mknod,mknodat,io_uring_setup,msync,splice,vmsplice,tee'

const noStrace = spawnSync('strace', ['-V']).error ? 'needs strace' : false

test('no write-side call escapes the shim: strace sees as many', { skip: noStrace }, async () => {
  const { folder, env } = setting('traced')
  const { LD_PRELOAD, ...outside } = env
  const log = join(folder, 'trace')
  const verbs = full ? Object.keys(VERBS) : ['train', 'compress', 'report']
  const options = JSON.stringify({ verbs, home: folder, seed, most: 0 })
  const preloaded = ['-E', `LD_PRELOAD=${LD_PRELOAD}`]
  const args = ['-f', '-y', '-qq', '-s', '0', ...preloaded, '-e', `trace=${SYSCALLS}`, '-o', log]
  const child = spawn('strace', [...args, process.execPath, program, options], {
    env: outside,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { code, out, err } = await endOf(child, 'strace', 600_000)
  assert.equal(code, 0, err)
  const told = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  for (const { verb, counts } of told) {
    const work = join(folder, verb.replaceAll(' ', '_'), 'work')
    const traced = tally(readFileSync(log, 'utf8'), work)
    for (const kind of Object.keys(TRACED))
      assert.equal(traced[kind], counts.absent[kind] + counts.there[kind], `${verb}: ${kind}`)
    assert.deepEqual(traced.others, [], verb)
  }
})

/** Calls on files below a folder by kind, and those of no kind. */
function tally(log, folder) {
  const found = { ...Object.fromEntries(Object.keys(TRACED).map((kind) => [kind, 0])), others: [] }
  for (const line of log.split('\n')) {
    const call = line.replace(/^\d+ +/, '')
    if (!call.includes(folder) || /^<|resumed>/.test(call)) continue
    const kind = Object.keys(TRACED).find((name) => TRACED[name].test(call))
    if (kind) found[kind]++
    else if (!/^open(at)?\(/.test(call)) found.others.push(call)
  }
  return found
}

test('the command ends with 1 and one error as JSON; after a failed sync nothing is gone on with', async () => {
  const { folder, env } = setting('command')
  const calls = new FailingCalls(env.FAIL_CONTROL)
  const work = join(folder, 'work')
  const { target, base, chat } = await VERBS.graft.prepare(join(folder, 'inputs'))
  const models = ['--target', target, '--base', base, '--chat', chat, '--out', join(work, 'out')]
  const graft = async () => {
    const command = [join(clone, 'dist/cli/main.js'), 'graft', ...models, '--json', '--resume']
    const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const { code, out } = await endOf(child, 'graft')
    return { code, told: JSON.parse(out) }
  }
  for (const [kind, at, error, expected] of [
    ['write', 5, 'EDQUOT', 'ERR_NO_SPACE'],
    ['sync', 1, 'EIO', 'ERR_IO'],
  ]) {
    calls.order({ under: work, action: 'fail', kinds: [kind], at, error })
    const { code, told } = await graft()
    assert.ok(calls.over().met > 0)
    assert.deepEqual([code, told.error.code], [1, expected])
    assert.ok(told.error.message.includes(work))
  }
  // What the sync was to bring to the disk may be lost, whatever the journal says.
  const { code, told } = await graft()
  assert.deepEqual([code, told.bytes_resumed], [0, 0])
  calls.close()
})

test('files of a run are whole or not there, a run that cannot be cleared away stays, its lock names nobody', async () => {
  const { folder, env } = setting('clearing')
  const calls = new FailingCalls(env.FAIL_CONTROL)
  const work = join(folder, 'work')
  const out = join(work, 'out')
  mkdirSync(work)
  const config = join(folder, 'train.json')
  writeFileSync(config, JSON.stringify({ ...(await VERBS.train.prepare(join(folder, 'inputs'))), out }))
  const train = async (...options) => {
    const command = [join(clone, 'dist/cli/main.js'), 'train', config, '--json', ...options]
    const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const { code, out } = await endOf(child, 'train')
    const { met } = calls.over()
    return { code, met, told: JSON.parse(out) }
  }
  const failing = (kind, under, at = 1) =>
    calls.order({ under: join(out, under), action: 'fail', kinds: [kind], at })
  const ends = ({ code, met, told }) => [code, met, told.error?.code]

  failing('write', '.tmp-resolved.yaml')
  assert.deepEqual(ends(await train()), [1, 1, 'ERR_IO'])
  assert.ok(!existsSync(out)) // nothing came of the run
  failing('write', '.tmp-curves.svg')
  assert.deepEqual(ends(await train()), [0, 1, undefined])
  assert.deepEqual(
    readdirSync(out).filter((name) => name.includes('curves')),
    [],
  )

  const whole = lastingHashes(work)
  for (const at of [1, 2, 3]) {
    failing('rename', '.trash-run', at)
    assert.deepEqual(ends(await train('--overwrite')), [1, 1, 'ERR_IO'])
    assert.deepEqual(lastingHashes(work), whole)
    assert.ok(!existsSync(join(out, '.trash-run')))
  }

  failing('unlink', 'run.lock')
  assert.deepEqual(ends(await train('--resume')), [0, 1, undefined])
  assert.equal(readFileSync(join(out, 'run.lock'), 'utf8'), '')
  calls.close()
})

before(() => assert.equal(process.platform, 'linux', 'the shim is for Linux'))
