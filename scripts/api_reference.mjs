// Makes docs/api.md, the reference of the library, from the types and docstrings that lib/index.ts exports.
// TypeDoc does it, from typedoc. A type that is told of and not exported is a failure: whoever writes
// TypeScript could not name it. `node scripts/api_reference.mjs` rewrites the page, a test compares it.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { anchorsOf } from './docs.mjs'
import { capture, isMain, root, runScript, StepError, step } from './steps.mjs'

export const PAGE = 'docs/api.md'

/** A folder of its own: it needs another TypeScript than the project (typedoc/package.json). */
const folder = join(root, 'typedoc')
const program = join(folder, 'node_modules/typedoc/bin/typedoc')

/** Tables of what is told of them, and no more. */
const SETTINGS = {
  entryPoints: [join(root, 'lib/index.ts')],
  tsconfig: join(root, 'tsconfig.json'),
  plugin: [join(folder, 'node_modules/typedoc-plugin-markdown/dist/index.js')],
  readme: 'none',
  skipErrorChecking: true, // tsc does that
  treatWarningsAsErrors: true,
  // What zod and tables of ours make types of.
  intentionallyNotExported: [
    'scaleSchema',
    'servingSchema',
    'serveSchema',
    'audioSource',
    'QUANTILES',
    'COSTS',
    'SPECIAL_TOKEN_KEYS',
  ],
  excludePrivate: true,
  excludeExternals: true,
  disableSources: true,
  sort: ['alphabetical'],
  groupOrder: ['Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Variables'],
  outputFileStrategy: 'modules',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  hidePageTitle: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  propertyMembersFormat: 'table',
  tableColumnSettings: {
    hideDefaults: true,
    hideInherited: true,
    hideModifiers: true,
    hideOverrides: true,
    hideSources: true,
  },
}

const HEAD = `# The API

Every function, class and type that the library exports, made from its types and docstrings by
\`node scripts/api_reference.mjs\`. [library.md](library.md) tells how to use them, the pages of the
commands what the options mean, [errors.md](errors.md) what the codes are.

`

/** Whether \`npm ci\` has installed what makes the page. */
export const isInstalled = () => existsSync(program)

/** The content that the page should have. Throws StepError with what TypeDoc says against the types. */
export async function apiReference() {
  if (!isInstalled()) throw new StepError('TypeDoc is not installed', { hint: 'npm ci' })
  const work = mkdtempSync(join(tmpdir(), 'tongueforge-api-'))
  try {
    const options = join(work, 'typedoc.json')
    writeFileSync(options, JSON.stringify({ ...SETTINGS, out: join(work, 'out') }))
    await capture(process.execPath, [program, '--options', options], { failure: 'TypeDoc failed' })
    return HEAD + plainer(readFileSync(join(work, 'out/README.md'), 'utf8'))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Without anchors within tables and the name that TypeDoc gives to parameters which are taken apart. */
function plainer(page) {
  const plain = page
    .replaceAll(/<a id="[^"]*"><\/a> /g, '')
    .replaceAll(/(\\_\\_|__)namedParameters\d*/g, 'options')
    .replaceAll(/^(#+ .*)\\_/gm, '$1_')
  // TypeDoc numbers headings that are alike otherwise than GitHub does.
  const anchors = new Map(anchorsOf(plain))
  return plain.replaceAll(/\[`(\w+)`\]\(#[\w-]+\)/g, (link, name) => {
    const anchor = anchors.get(name)
    return anchor === undefined ? link : `[\`${name}\`](#${anchor})`
  })
}

if (isMain(import.meta)) {
  await runScript(async () => {
    await step(PAGE, {
      doing: 'TypeDoc',
      run: async () => writeFileSync(join(root, PAGE), await apiReference()),
    })
    return 0
  })
}
