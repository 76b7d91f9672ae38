import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { identityOf, isSame, thisProcess, whereabouts } from '#lib/verbs/own_process/identity'

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
  const script = 'sleep 0.3 & echo $! && exec sleep 10' // which fetches nobody
  const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [text] = await once(parent.stdout, 'data')
  const child = identityOf(Number(text))
  assert.equal(whereabouts(child), 'alive')
  while (!/\) Z /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8'))) await setTimeout(20)
  assert.equal(whereabouts(child), 'gone')
  const its = identityOf(parent.pid)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  for (const one of [its, { ...its, started: '' }]) assert.equal(whereabouts(one), 'gone')
})
