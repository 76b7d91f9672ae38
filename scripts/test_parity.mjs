// Live comparison with transformers: sets up the project and a pinned Python environment in build/parity-env, once,
// then runs test/parity. TONGUEFORGE_TORCH_INDEX names a further package index to take torch from, PYTHON the
// interpreter (3.10 or newer). Arguments go to the test runner: npm run test:parity -- --test-name-pattern qwen2
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setUp } from './setup.mjs'
import {
  capture,
  filesUnder,
  fingerprint,
  hand,
  readIfThere,
  root,
  runScript,
  StepError,
  step,
} from './steps.mjs'

const ENVIRONMENT = join(root, 'build/parity-env')
const STAMP = join(ENVIRONMENT, '.stamp')
const REQUIREMENTS = 'test/parity/requirements.txt'
const BASE_PYTHON = process.env.PYTHON ?? 'python3'
const python = join(ENVIRONMENT, 'bin/python')

/** Makes build/parity-env as requirements.txt says, unless it is there. */
async function preparePython() {
  const version = (
    await capture(BASE_PYTHON, ['--version'], { hint: 'install Python 3.10 or newer, or set PYTHON' })
  ).trim()
  const stamp = fingerprint([REQUIREMENTS], version)
  await step('transformers', {
    doing: 'making build/parity-env',
    // The stamp is written last: half an environment has none.
    upToDate: () => readIfThere(STAMP) === stamp && 'up to date: build/parity-env',
    run: async (report) => {
      await makeEnvironment()
      await installRequirements(report)
      writeFileSync(STAMP, stamp)
    },
  })
}

async function makeEnvironment() {
  rmSync(ENVIRONMENT, { recursive: true, force: true })
  mkdirSync(join(root, 'build'), { recursive: true })
  await capture(BASE_PYTHON, ['-m', 'venv', ENVIRONMENT], {
    failure: 'python could not make a virtual environment',
    hint: "install python's venv module (Debian: apt-get install python3-venv), then try again",
  })
}

async function installRequirements(report) {
  const index = process.env.TONGUEFORGE_TORCH_INDEX
  const args = ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', REQUIREMENTS]
  await capture(python, index ? [...args, '--extra-index-url', index] : args, {
    onLine: (line) => reportPip(line, report),
    failure: 'pip could not install the parity environment',
    hint: 'check the network and the package index (TONGUEFORGE_TORCH_INDEX for torch), then try again',
  })
}

// "Collecting torch==2.13.0", "Downloading torch-...whl (...)", "Installing collected packages: ..."
function reportPip(line, report) {
  const [, doing, what] = /^\s*(Collecting|Downloading|Installing) (\S+)/.exec(line) ?? []
  if (doing)
    report({ note: `${doing.toLowerCase()} ${doing === 'Installing' ? 'all of it' : basename(what)}` })
}

/** Runs the tests of test/parity and returns their exit code. */
function runTests() {
  const files = filesUnder('test/parity', (file) => file.endsWith('.test.mjs'))
  if (files.length === 0) throw new StepError('expected *.test.mjs in test/parity, found none')
  const env = { ...process.env, TONGUEFORGE_PARITY_PYTHON: python }
  return hand(process.execPath, ['--test', ...process.argv.slice(2), ...files], { env })
}

await runScript(async () => {
  await setUp()
  await preparePython()
  return runTests()
})
