// The programs that the pages show compile against the types of the library.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pages } from '../../scripts/docs.mjs'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

/** As in a JavaScript file that an editor checks: what has no type may be anything. */
const SETTINGS = {
  ...{ target: 'es2022', lib: ['es2023', 'esnext.disposable', 'dom'], module: 'nodenext', types: ['node'] },
  ...{ noEmit: true, strict: false, noImplicitAny: false, skipLibCheck: true, preserveSymlinks: true },
  paths: { tongueforge: [join(clone, 'dist/index.d.ts')] },
}

/** What a page leaves to its reader, and what an earlier program of the page has brought in. */
const AROUND = `
declare const signal: AbortSignal
declare const onProgress: () => void
declare const out: string
declare const attach: typeof import('tongueforge').attach
declare const train: typeof import('tongueforge').train
`

test('what the pages show in JavaScript compiles', () => {
  const folder = temporaryFolder({ 'around.d.ts': AROUND })
  symlinkSync(join(clone, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: SETTINGS }))
  const shown = ['README.md', ...pages()].flatMap((page) => {
    const text = readFileSync(join(clone, page), 'utf8')
    const name = (at) => `${page.replaceAll('/', '_')}_${text.slice(0, at).split('\n').length}.mts`
    return [...text.matchAll(/^```js\n([\s\S]*?)^```/gm)].map(({ index, 1: program }) => [
      name(index),
      program,
    ])
  })
  assert.ok(shown.length > 30)
  for (const [name, program] of shown) writeFileSync(join(folder, name), `${program}\nexport {}\n`)
  const compiler = join(clone, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})
