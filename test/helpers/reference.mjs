// Calls test/parity/reference.py, which is transformers as a program, in the environment of `npm run test:parity`.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const program = join(dirname(fileURLToPath(import.meta.url)), '../parity/reference.py')

/** Runs `reference.py ...args` with `input` as JSON on its standard input; resolves with the document it prints. */
export async function reference(args, input) {
  const python = process.env.TONGUEFORGE_PARITY_PYTHON
  if (!python)
    throw new Error('expected TONGUEFORGE_PARITY_PYTHON; start these tests with `npm run test:parity`')
  const env = { ...process.env, HF_HUB_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1' }
  const child = spawn(python, [program, ...args.map(String)], { env })
  const ended = new Promise((done, reject) => child.on('error', reject).on('close', done))
  child.stdin.end(JSON.stringify(input ?? null))
  const [output, log, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`reference.py ${args.join(' ')} ended with code ${code}:\n${log}`)
  return JSON.parse(output)
}
