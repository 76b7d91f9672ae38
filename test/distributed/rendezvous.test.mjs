import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstHost, rendezvous } from '#lib/distributed/rendezvous'

const TORCHRUN = {
  RANK: '1',
  LOCAL_RANK: '1',
  WORLD_SIZE: '4',
  LOCAL_WORLD_SIZE: '2',
  GROUP_RANK: '0',
  MASTER_ADDR: 'host1',
  MASTER_PORT: '29400',
  TORCHELASTIC_RUN_ID: 'none',
  TORCHELASTIC_RESTART_COUNT: '2',
  TORCHELASTIC_USE_AGENT_STORE: 'True',
}

test('torchrun: its agent serves the store, for rank 0 too, and a restart has keys of its own', () => {
  const expected = {
    rank: 1,
    world_size: 4,
    local_rank: 1,
    address: 'host1',
    port: 29400,
    serves_store: false,
    agent_serves: true,
    prefix: 'none/2',
  }
  assert.deepEqual(rendezvous(TORCHRUN), expected)
  assert.equal(rendezvous({ ...TORCHRUN, RANK: '0' }).serves_store, false)
})

test('torchrun without an agent store, and launch: rank 0 serves the store', () => {
  for (const [rank, serves] of [
    ['0', true],
    ['1', false],
  ]) {
    const found = rendezvous({ ...TORCHRUN, RANK: rank, TORCHELASTIC_USE_AGENT_STORE: 'False' })
    assert.equal(found.serves_store, serves)
    assert.equal(found.agent_serves, false)
  }
})

test('a PyTorchJob of one process a pod: RANK is the pod, and its one GPU is the first', () => {
  const pod = {
    KUBERNETES_PORT: 'tcp://10.0.0.1:443',
    MASTER_ADDR: 'job-master-0',
    MASTER_PORT: '23456',
    WORLD_SIZE: '3',
    RANK: '2',
  }
  const { rank, world_size, local_rank, address, port, serves_store } = rendezvous(pod)
  assert.deepEqual([rank, world_size, local_rank, address, port], [2, 3, 0, 'job-master-0', 23456])
  assert.equal(serves_store, false)
  assert.equal(rendezvous({ ...pod, RANK: '0' }).serves_store, true)
})

const SRUN = {
  SLURM_JOB_ID: '1234567',
  SLURM_STEP_ID: '0',
  SLURM_STEP_NUM_TASKS: '8',
  SLURM_STEP_NODELIST: 'gpu[07-09,12],other3',
  SLURM_PROCID: '5',
  SLURM_LOCALID: '1',
}

test('SLURM: the first host of the step, and a port by the number of the job', () => {
  assert.deepEqual(rendezvous(SRUN), {
    rank: 5,
    world_size: 8,
    local_rank: 1,
    address: 'gpu07',
    port: 19567,
    serves_store: false,
    agent_serves: false,
    prefix: 'slurm-1234567.0/0',
  })
  const { address, port } = rendezvous({ ...SRUN, MASTER_ADDR: 'gpu08', MASTER_PORT: '4000' })
  assert.deepEqual([address, port], ['gpu08', 4000])
})

test('SLURM: the first host of every form of list', () => {
  assert.equal(firstHost('node1'), 'node1')
  assert.equal(firstHost('node1,node2'), 'node1')
  assert.equal(firstHost('node[3,5-7]'), 'node3')
  assert.equal(firstHost('rack[2-4]node[010-020],login'), 'rack2node010')
  assert.equal(firstHost('a-b.example[1-2]'), 'a-b.example1')
})

test('a process alone: no variable, a world of one, a batch script of SLURM without srun', () => {
  assert.equal(rendezvous({}), null)
  assert.equal(rendezvous({ WORLD_SIZE: '1', RANK: '0' }), null)
  assert.equal(rendezvous({ SLURM_JOB_ID: '7', SLURM_PROCID: '0', SLURM_NTASKS: '8' }), null)
  assert.equal(rendezvous({ ...SRUN, SLURM_STEP_NUM_TASKS: '1', SLURM_PROCID: '0' }), null)
})

test('a variable that is missing or means nothing is named', () => {
  const cases = [
    [{ RANK: undefined }, /^environment: RANK: expected a whole number from 0 to 3, received none$/],
    [{ RANK: '4' }, /RANK: expected a whole number from 0 to 3, received "4"/],
    [{ RANK: '-1' }, /received "-1"/],
    [{ WORLD_SIZE: 'many' }, /WORLD_SIZE: expected a whole number from 1, received "many"/],
    [{ MASTER_ADDR: undefined }, /MASTER_ADDR: expected a value, received none/],
    [{ MASTER_PORT: '70000' }, /MASTER_PORT: expected a whole number from 1 to 65535/],
    [{ LOCAL_RANK: '' }, /LOCAL_RANK: expected a whole number from 0, received ""/],
  ]
  for (const [change, message] of cases) {
    assert.throws(
      () => rendezvous({ ...TORCHRUN, ...change }),
      (error) => {
        assert.equal(error.code, 'ERR_USAGE')
        assert.match(error.message, message)
        assert.match(error.hint, /tongueforge launch, torchrun/)
        return true
      },
    )
  }
})
