// npm run test:node-versions: the one addon under every Node that is supported, each from its package of the npm registry,
// installed once into build/node-versions. What may differ is tested: loading, packages, jobs when a process or a worker
// ends. Arguments choose other versions (`npm run test:node-versions -- 24.0.0`).
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { testFiles } from './run_tests.mjs'
import { setUp } from './setup.mjs'
import { capture, hand, makeFolders, root, runScript, StepError, step } from './steps.mjs'

const VERSIONS = ['20', '22', '24']
const FILES = [
  'library',
  'packages/',
  'stress/process_exit',
  'stress/terminate',
  'stress/threads',
  'verbs/own_process',
]

await runScript(async () => {
  await setUp()
  const results = []
  for (const version of process.argv.length > 2 ? process.argv.slice(2) : VERSIONS) {
    const node = await installed(version)
    const called = (await capture(node, ['--version'])).trim()
    process.stdout.write(`\n${called}\n`)
    const env = { ...process.env, TONGUEFORGE_STRESS: 'quick' }
    const code = await hand(node, ['--test', '--test-reporter=spec', ...testFiles(['test'], FILES)], { env })
    results.push({ called, code })
  }
  process.stdout.write(
    `\n${results.map(({ called, code }) => `${called}: ${code === 0 ? 'passed' : 'failed'}\n`).join('')}`,
  )
  return results.some(({ code }) => code !== 0) ? 1 : 0
})

/** The program of a version, installed where it is not yet there. */
async function installed(version) {
  if (!/^\d+(\.\d+){0,2}$/.test(version))
    throw new StepError(`expected a version of Node, received ${version}`)
  const name = `node-${process.platform}-${process.arch}`
  const folder = join(root, 'build', 'node-versions', version)
  const program = join(folder, 'node_modules', name, 'bin', 'node')
  await step(`Node ${version}`, {
    doing: 'npm install',
    upToDate: () => existsSync(program) && versionOf(folder, name),
    run: async () => {
      makeFolders(folder)
      const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund']
      await capture('npm', ['install', '--prefix', folder, ...options, `${name}@${version}`], {
        failure: `npm could not install Node ${version}`,
      })
      return versionOf(folder, name)
    },
  })
  return program
}

function versionOf(folder, name) {
  return JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version
}
