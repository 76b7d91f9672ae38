import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { isSame, thisProcess, whereabouts } from '#lib/verbs/own_process/identity'

const here = thisProcess()

test('this process is alive, and none that differs from it by what tells processes apart', () => {
  assert.equal(whereabouts(here), 'alive')
  const others = {
    started: ['gone', `${here.started}1`],
    boot_id: ['gone', 'another start of the machine'],
    host: ['elsewhere', 'another-host'],
    pid_namespace: ['elsewhere', 'pid:[1]'],
  }
  for (const [key, [where, value]] of Object.entries(others)) {
    assert.equal(whereabouts({ ...here, [key]: value }), where, key)
    if (key !== 'pid_namespace') assert.equal(isSame(here, { ...here, [key]: value }), false, key)
  }
  assert.ok(isSame(here, { ...here, since: 'later' }))
})

test('a process is gone once it has ended, also while nobody has fetched it', async () => {
  const child = spawn('sh', ['-c', 'sleep 0 & echo $! && exec sleep 10'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [text] = await once(child.stdout, 'data')
  const orphan = { ...here, pid: Number(text), started: '1' }
  assert.equal(whereabouts(orphan), 'gone', 'its parent is a sleep, which fetches nobody')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(whereabouts({ ...here, pid: child.pid, started: '' }), 'gone')
})
