import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readText } from '#lib/cli/text_file'
import { cli, clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

/** Command lines that are wrong in themselves: what is said about each, and the hint. */
const MISTAKES = [
  [['genrate'], "unknown command 'genrate'", 'Did you mean generate?'],
  [['generate', 'm', '--promt', 'x'], "unknown option '--promt'", 'Did you mean --prompt?'],
  [['generate', 'm'], 'expected one of --prompt and --prompt-ids, received none'],
  [['generate', 'm', '--prompt-ids', '1', '--chat'], '--chat: expected --prompt, received --prompt-ids'],
  [['generate', 'm', '--prompt', 'x', '--seed', '1.5'], "--seed: expected a whole number, received '1.5'"],
  [['generate', 'm', '--prompt', 'x', '--top-p', ''], "--top-p: expected a number, received ''"],
  [['generate', 'm', '--prompt-ids', '1,x'], "--prompt-ids: expected a number, received 'x'"],
  [['score', 'm', '--file', 'a', '--text', 'b'], 'received --file and --text'],
  [['train'], "missing required argument 'config'"],
  [
    ['graft', '--target', 'a', '--base', 'b', '--chat', 'c'],
    "required option '--out <folder>' not specified",
  ],
  [['setup', '--cuda', '--clean'], 'expected one of --clean and --cuda, received both'],
  [['setup', '--from', ''], '--from: expected a folder, received an empty text'],
  [['inspect', 'a', 'b'], 'too many arguments'],
  [['delta', 'make'], "<action>: expected extract, apply, inspect, received 'make'"],
  [['delta', 'apply', '--rank', '3'], '--rank: not an option of delta apply'],
  [['delta', 'extract', '--base', 'a', '--out', 'b'], 'delta extract: expected --chat, received none'],
  [['delta', 'inspect'], 'expected the folder of a delta, received none'],
  [['delta', 'apply', 'a'], 'delta apply: expected --target, received none'],
]

for (const [args, message, hint = 'add --help'] of MISTAKES) {
  test(`a mistake is named, with a hint and exit code 2: ${args.join(' ')}`, async () => {
    const { code, out, err } = await cli(args)
    assert.equal(code, 2)
    assert.equal(out, '')
    assert.match(err, /^error: /)
    assert.ok(err.includes(message), err)
    assert.ok(err.includes(`\n  hint: ${hint}`), err)
  })
}

test('under --json a failure is one JSON document on stdout', async () => {
  const { code, out } = await cli(['score', 'm', '--json'])
  assert.equal(code, 2)
  const { error } = JSON.parse(out)
  assert.equal(error.code, 'ERR_USAGE')
  assert.deepEqual(Object.keys(error), ['code', 'message', 'hint', 'details'])
})

test('--version prints the version of package.json', async () => {
  const { code, out } = await cli(['--version'])
  assert.equal(code, 0)
  assert.equal(out.trim(), JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8')).version)
})

test('help lists the commands, and opens with examples for one of them', async () => {
  const all = await cli(['--help'])
  assert.equal(all.code, 0)
  assert.match(all.out, /graft .*add a chat vector/)
  const one = await cli(['graft', '--help'])
  assert.equal(one.code, 0)
  assert.match(one.out, /^Examples:\n {2}tongueforge graft --target/)
})

test('no command at all shows the help on stderr and exits 2', async () => {
  const { code, out, err } = await cli([])
  assert.equal(code, 2)
  assert.equal(out, '')
  assert.match(err, /Commands:/)
})

test('a text that cannot be read as it should be is named, with the reason', async () => {
  const folder = temporaryFolder()
  const latin = join(folder, 'latin.txt')
  writeFileSync(latin, Buffer.from('Müller\n', 'latin1'))
  for (const verb of ['score', 'embed', 'classify'])
    for (const [file, code, message] of [
      ['no-such-file.txt', 'ERR_NOT_FOUND', /--file: no-such-file\.txt: no such file/],
      [folder, 'ERR_IO', /cannot be read \(EISDIR\)/],
      [latin, 'ERR_DATA', /--file: .*latin\.txt: expected UTF-8 text, received bytes that are not .*iconv/],
    ]) {
      const told = await cli([verb, 'm', '--file', file, '--json'])
      assert.equal(told.code, 1, verb)
      const { error } = JSON.parse(told.out)
      assert.equal(error.code, code, verb)
      assert.match(`${error.message} ${error.hint}`, message)
    }
  const marked = join(folder, 'marked.txt')
  writeFileSync(marked, '\uFEFFMüller\r\n')
  assert.equal(await readText(marked), 'Müller\r\n', 'a byte order mark is none of the text')
})
