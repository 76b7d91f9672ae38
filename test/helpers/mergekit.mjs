// mergekit as a program: one process of test/mergekit/run_mergekit.py, in the environment of `npm run test:mergekit`,
// runs `mergekit-yaml` on one configuration after another.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = join(dirname(fileURLToPath(import.meta.url)), '../mergekit/run_mergekit.py')

/** Starts it. `run({ config, out, folder, arguments })` resolves with { code, log }; `end()` waits until it has gone. */
export function startMergekit() {
  const python = process.env.TONGUEFORGE_MERGEKIT_PYTHON
  if (!python)
    throw new Error('expected TONGUEFORGE_MERGEKIT_PYTHON; start these tests with `npm run test:mergekit`')
  const fixed = {
    HF_HUB_OFFLINE: '1',
    OMP_NUM_THREADS: '1',
    PYTHONHASHSEED: '0',
    PYTHONDONTWRITEBYTECODE: '1',
  }
  const child = spawn(python, [program], {
    env: { ...process.env, ...fixed },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise((done, reject) => child.on('error', reject).on('close', done))
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async run(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`)
      const { value, done } = await answers.next()
      if (done) throw new Error(`run_mergekit.py ended with code ${await ended}`)
      return JSON.parse(value)
    },
    end() {
      child.stdin.end()
      return ended
    },
  }
}
