// Live comparison with transformers, TRL and TensorBoard: sets up the project and pinned Python environments in build/,
// once, then runs test/parity. TONGUEFORGE_TORCH_INDEX names a further package index to take torch from, PYTHON the
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

const BASE_PYTHON = process.env.PYTHON ?? 'python3'

/** One a peer, as their requirements need not agree. To add one: a row, its requirements and its program. */
const ENVIRONMENTS = [
  {
    name: 'transformers',
    folder: 'build/parity-env',
    requirements: ['test/parity/requirements.txt'],
    variable: 'TONGUEFORGE_PARITY_PYTHON',
  },
  {
    name: 'TRL',
    folder: 'build/parity-env-trl',
    requirements: ['test/parity/trl_requirements.txt', 'test/parity/requirements.txt'],
    variable: 'TONGUEFORGE_TRL_PYTHON',
  },
  {
    name: 'TensorBoard',
    folder: 'build/parity-env-tensorboard',
    requirements: ['test/parity/tensorboard_requirements.txt'],
    variable: 'TONGUEFORGE_TENSORBOARD_PYTHON',
  },
]
const pythonOf = ({ folder }) => join(root, folder, 'bin/python')

/** Makes an environment as the first of its requirements says, unless it is there. */
async function prepare(environment, version) {
  const { name, folder, requirements } = environment
  const stampFile = join(root, folder, '.stamp')
  const stamp = fingerprint(requirements, version)
  await step(name, {
    doing: `making ${folder}`,
    // The stamp is written last: half an environment has none.
    upToDate: () => readIfThere(stampFile) === stamp && `up to date: ${folder}`,
    run: async (report) => {
      await makeEnvironment(folder)
      await installRequirements(environment, report)
      writeFileSync(stampFile, stamp)
    },
  })
}

const pythonVersion = () =>
  capture(BASE_PYTHON, ['--version'], { hint: 'install Python 3.10 or newer, or set PYTHON' })

async function makeEnvironment(folder) {
  rmSync(join(root, folder), { recursive: true, force: true })
  mkdirSync(join(root, 'build'), { recursive: true })
  await capture(BASE_PYTHON, ['-m', 'venv', join(root, folder)], {
    failure: 'python could not make a virtual environment',
    hint: "install python's venv module (Debian: apt-get install python3-venv), then try again",
  })
}

async function installRequirements(environment, report) {
  const index = process.env.TONGUEFORGE_TORCH_INDEX
  const args = ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', environment.requirements[0]]
  await capture(pythonOf(environment), index ? [...args, '--extra-index-url', index] : args, {
    onLine: (line) => reportPip(line, report),
    failure: `pip could not install ${environment.folder}`,
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
  const pythons = ENVIRONMENTS.map((environment) => [environment.variable, pythonOf(environment)])
  const env = { ...process.env, ...Object.fromEntries(pythons) }
  return hand(process.execPath, ['--test', ...process.argv.slice(2), ...files], { env })
}

await runScript(async () => {
  await setUp()
  const version = (await pythonVersion()).trim()
  for (const environment of ENVIRONMENTS) await prepare(environment, version)
  return runTests()
})
