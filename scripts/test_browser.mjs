// npm run test:browser: pages in Chromium, which is not installed with the project. CHROMIUM_PATH names it, or it is
// looked for. TONGUEFORGE_SCREENSHOTS=FOLDER keeps what the browser showed. Arguments go to the test runner.
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setUp } from './setup.mjs'
import { filesUnder, hand, runScript, StepError } from './steps.mjs'

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

function runs(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function chromium() {
  const named = process.env.CHROMIUM_PATH
  if (named !== undefined && named !== '') {
    if (runs(named)) return named
    throw new StepError(`CHROMIUM_PATH: expected a program, found none at ${named}`, { hint: 'Unset it.' })
  }
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = PROGRAMS.flatMap((name) => folders.map((folder) => join(folder, name))).find(runs)
  if (found !== undefined) return found
  throw new StepError(`expected Chromium, found none of ${PROGRAMS.join(', ')} in PATH`, {
    hint: 'apt-get install chromium (Debian), or CHROMIUM_PATH=path/to/chrome npm run test:browser',
  })
}

await runScript(async () => {
  const path = chromium()
  await setUp()
  const files = filesUnder('test/browser', (file) => file.endsWith('.test.mjs'))
  return hand(process.execPath, ['--test', '--test-reporter=spec', ...process.argv.slice(2), ...files], {
    env: { ...process.env, CHROMIUM_PATH: path },
  })
})
