// The fused ops of native/kernels beside their plain compositions and beside a copy of the same bytes, on the shapes
// of a Llama of 100 M parameters (768 wide, 2048 in the feed-forward block, 32,000 tokens), four rows of 2048:
//   node bench/ops.mjs [NAME] [threads]
// The same memory is taken again and again: where the allocator hands freed pages back to the system, as it does by
// default for large tensors, fetching new ones would hide the arithmetic of both.
import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine } from './statistics.mjs'

const clone = dirname(dirname(fileURLToPath(import.meta.url)))
const program = process.env.NATIVE_TESTS ?? join(clone, 'build/native_tests')
const [name = '', threads = '2'] = process.argv.slice(2)
const env = {
  ...process.env,
  OMP_NUM_THREADS: threads,
  OMP_WAIT_POLICY: 'PASSIVE',
  GLIBC_TUNABLES: 'glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000',
}
const lines = execFileSync(program, ['--bench-ops', name], { encoding: 'utf8', env }).trim().split('\n')
const rows = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
console.log(JSON.stringify({ threads: Number(threads), rows, ...machine() }, null, 2))
