// Pinned Python environments in build/, each made once: programs that our results are compared with.
// TONGUEFORGE_TORCH_INDEX names a further package index to take torch from, PYTHON the interpreter (3.10 or newer). Where the
// variable of an environment names an interpreter, none is made, and the tests get that one.
import { rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  capture,
  filesUnder,
  fingerprint,
  hand,
  makeFolders,
  readIfThere,
  root,
  StepError,
  step,
} from './steps.mjs'

const BASE_PYTHON = process.env.PYTHON ?? 'python3'
const pythonOf = ({ folder }) => join(root, folder, 'bin/python')
/** An interpreter that the caller names for an environment; then none is made. */
const named = ({ variable }) => process.env[variable] || undefined

/**
 * Makes those of `environments` that are neither there nor named. One is {name, folder, requirements: [file to install, files that
 * it names], variable: what tells the tests its interpreter}.
 */
export async function prepareEnvironments(environments) {
  const wanted = environments.filter((environment) => !named(environment))
  if (wanted.length === 0) return
  const version = (await pythonVersion()).trim()
  for (const environment of wanted) await prepare(environment, version)
}

/** Runs the tests of a folder, each environment's interpreter in its variable; resolves with their exit code. */
export function runTestsWith(environments, folder, runnerArguments = []) {
  const files = filesUnder(folder, (file) => file.endsWith('.test.mjs'))
  if (files.length === 0) throw new StepError(`expected *.test.mjs in ${folder}, found none`)
  const pythons = environments.map((one) => [one.variable, named(one) ?? pythonOf(one)])
  const env = { ...process.env, ...Object.fromEntries(pythons) }
  return hand(process.execPath, ['--test', ...runnerArguments, ...files], { env })
}

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
  makeFolders(join(root, 'build'))
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
