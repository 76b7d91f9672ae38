// npm run demo: set-up, then `tongueforge demo` with whatever follows `--`.
import { setUp } from './setup.mjs'
import { hand, runScript } from './steps.mjs'

await runScript(async () => {
  await setUp()
  return hand(process.execPath, ['dist/cli/main.js', 'demo', ...process.argv.slice(2)])
})
