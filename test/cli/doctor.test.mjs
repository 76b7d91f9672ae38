import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bareMachine, cli, emptyFolder } from '../helpers/cli.mjs'

const KEYS = ['ok', 'addon', 'libtorch', 'devices', 'devices_problem', 'node', 'threads', 'problems']

async function doctor(env) {
  const { code, out } = await cli(['doctor', '--json'], { env })
  return { code, report: JSON.parse(out) }
}

test('here, after the set-up, the doctor finds no problem', async () => {
  const { code, report } = await doctor({})
  assert.deepEqual(report.problems, [])
  assert.equal(code, 0)
  assert.deepEqual(Object.keys(report), KEYS)
  assert.equal(report.ok, true)
  assert.match(report.addon.version, /^\d+\.\d+\.\d+/)
  assert.equal(typeof report.addon.cuda_kernels, 'boolean')
  assert.match(report.libtorch.version, /^2\.\d+\.\d+/)
  assert.equal(report.node, process.version)
  assert.ok(report.threads >= 1)
})

test('on a bare machine the doctor names all that is missing and the commands that mend it, exit code 1', async () => {
  const { code, report } = await doctor(bareMachine())
  assert.equal(code, 1)
  assert.equal(report.ok, false)
  assert.deepEqual(Object.keys(report), KEYS)
  assert.deepEqual(report.addon, { version: null, package: null, cuda_kernels: null })
  assert.deepEqual(report.devices, [])
  assert.deepEqual(report.libtorch, { version: null, path: null, cuda: null })
  const codes = report.problems.map(({ code }) => code)
  assert.ok(
    codes.includes('ERR_LIBTORCH') && codes.includes('ERR_ADDON') && codes.includes('ERR_TOOL'),
    codes.join(),
  )
  for (const { message, hint } of report.problems) assert.ok(message && hint, message)
  const libtorch = report.problems.find(({ code }) => code === 'ERR_LIBTORCH')
  assert.equal(libtorch.hint, 'npx tongueforge setup')
})

test('a LIBTORCH that holds no libtorch is refused, not passed over', async () => {
  const { code, report } = await doctor({ LIBTORCH: emptyFolder() })
  assert.equal(code, 1)
  assert.equal(report.problems.length, 1)
  assert.match(report.problems[0].message, /^LIBTORCH: expected a libtorch or site-packages\/torch folder/)
})

test('a libtorch of another version than the build is refused with both versions and the fix', async () => {
  const { code, report } = await doctor({ LIBTORCH: fakeLibtorch('2.11.0') })
  assert.equal(code, 1)
  const [problem] = report.problems
  assert.equal(problem.code, 'ERR_LIBTORCH')
  assert.match(
    problem.message,
    /built with libtorch 2\.\d+\.\d+, but libtorch 2\.11\.0 was found \(LIBTORCH\)/,
  )
  assert.match(problem.hint, /npm run build/)
})

test('the text for people says the same as the JSON', async () => {
  const { code, out } = await cli(['doctor'], { env: bareMachine() })
  assert.equal(code, 1)
  assert.match(out, /addon +not built/)
  assert.match(out, /libtorch +not found/)
  assert.match(out, /ERR_LIBTORCH: found no libtorch .*\n {2}mend it: npx tongueforge setup/)
})

function fakeLibtorch(version) {
  const folder = emptyFolder()
  mkdirSync(join(folder, 'lib'))
  writeFileSync(join(folder, 'lib', 'libtorch_cpu.so'), '')
  writeFileSync(join(folder, 'version.py'), `__version__ = '${version}'\ncuda: Optional[str] = None\n`)
  return folder
}
