// Fills the reference tables of docs/ from what the code knows: options from the commands, keys from the schemas,
// methods of merge from their table, divergences from the list that the conformance suite prints.
// A table stands between `<!-- table: options graft -->` and `<!-- end -->`. `node scripts/docs.mjs` rewrites them,
// a test compares them. Run after npm run build.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import GithubSlugger from 'github-slugger'
import { filesUnder, isMain, root } from './steps.mjs'

const require = createRequire(import.meta.url)

const TABLES = {
  options: optionsTable,
  keys: keysTable,
  stage: stageTable,
  request: requestTable,
  methods: methodsTable,
  divergences: divergencesTable,
  tasks: tasksTable,
  arms: armsTable,
  arm: armTable,
}

/** The content that a page should have. */
export function refreshed(page) {
  return page.replace(
    /(<!-- table: (\w+) (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, head, kind, name, end) => `${head}${TABLES[kind](name)}${end}`,
  )
}

export function pages() {
  return filesUnder('docs', (file) => file.endsWith('.md'))
}

/** [heading, anchor] of all headings of a page, in order, as GitHub has them. */
export function anchorsOf(page) {
  const slugger = new GithubSlugger()
  const prose = page.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, text]) => {
    const heading = text.replaceAll(/\[([^\]]*)\]\([^)]*\)|[`\\]/g, '$1')
    return [heading, slugger.slug(heading)]
  })
}

function optionsTable(name) {
  const verb = require('../dist/cli/verbs.js').VERBS.find((known) => known.name === name)
  const rows = [
    ...verb.arguments.map(({ name: argument, description }) => [argument, description]),
    ...verb.options.map(({ flags, description, required }) => [
      flags,
      description + (required ? ' (required)' : ''),
    ]),
    ['--quiet', 'no progress on stderr'],
  ]
  return table(['option', 'meaning'], rows)
}

function keysTable(name) {
  return table(['key', 'default', 'meaning'], keyRows(properties(name, `${name}Schema`), ''))
}

/** Keys of a method of `compress`, beside the method itself. */
function stageTable(method) {
  const { method: _, ...keys } = properties(`compress/${method}`, `${method}Schema`)
  return table(['key', 'default', 'meaning'], keyRows(keys, ''))
}

/** Fields of the body of a request to `serve`; those of which the same is said share a row. */
function requestTable(kind) {
  const fields = properties(`requests/${kind}`, `${kind}Schema`)
  const alike = new Map()
  for (const [field, { description }] of Object.entries(fields))
    alike.set(description, [...(alike.get(description) ?? []), `\`${field}\``])
  const rows = [...alike].map(([description, names]) => [names.join(', '), description])
  return table(['field', 'meaning'], rows, (names) => names)
}

function properties(file, schema) {
  const { z } = require('zod')
  return z.toJSONSchema(require(`../dist/config/${file}.js`)[schema], { io: 'input' }).properties
}

/** Methods of `merge` by name: parameters with their defaults, those of each model in italics. */
function methodsTable(name) {
  const methods = require(`../dist/config/${name}_methods.js`).MERGE_METHODS
  const counts = ({ least, most }) => (least === most ? `${least}` : `${least} or more`)
  const parameter = ([key, { per, default: value, ignored }]) => {
    const shown = `\`${key}\`${ignored ? ' (no effect)' : value === undefined ? '' : ` (${value})`}`
    return per === 'model' ? `*${shown}*` : shown
  }
  const rows = Object.entries(methods).map(([key, { summary, base, inputs, parameters }]) => [
    key,
    summary,
    base === 'none' ? 'one of the models' : base,
    counts(inputs),
    Object.entries(parameters).map(parameter).join(', ') || 'none',
  ])
  return table(['method', 'what it does', 'base_model', 'models beside it', 'parameters'], rows)
}

function keyRows(properties, prefix) {
  return Object.entries(properties).flatMap(([key, schema]) => {
    const path = prefix + key
    const own = schema.description || !schema.properties
    const value = plain(schema.default) ? `\`${JSON.stringify(schema.default)}\`` : ''
    const row = own ? [[path, value, [schema.description, choices(schema)].filter(Boolean).join(' ')]] : []
    const inner = schema.keys_of ? undefined : (schema.properties ?? schema.items?.properties)
    return [...row, ...(inner ? keyRows(inner, `${path}${schema.items ? '[].' : '.'}`) : [])]
  })
}

function divergencesTable(peer) {
  const { parse } = require('yaml')
  const list = parse(readFileSync(join(root, `test/${peer}/divergences.yaml`), 'utf8'))
  const rows = Object.values(list).map(({ merge, mergekit, ours, compat }) => [
    merge,
    mergekit,
    ours,
    compat ? 'as mergekit' : 'as ours',
  ])
  return table(['', 'mergekit', 'ours', 'with `compat: mergekit`'], rows, (text) => text)
}

/** Benchmarks of `evaluate`: groups, then tasks that are in none; the parts of a group by its first. */
function tasksTable() {
  const { TASKS, GROUPS } = require('../dist/tasks/registry.js')
  const all = GROUPS.filter(
    ({ name }) => !GROUPS.some((one) => one !== name && name.startsWith(`${one.name}_`)),
  )
  const inGroup = new Set(all.flatMap(({ tasks }) => tasks))
  const named = (name) => TASKS.find((task) => task.name === name)
  const rows = [
    ...TASKS.filter(({ name }) => !inGroup.has(name)).map((task) => [task.name, task.about, task]),
    ...all.map(({ name, about, tasks }) => [name, about, named(tasks[0])]),
  ].map(([name, about, task]) => [name, about, ...taskCells(task)])
  return table(['task', 'what', 'documents', 'examples', 'tells', 'data in', 'texts from'], rows)
}

function taskCells({ split, shots, metrics, measures, judged, kind, source, texts }) {
  const told =
    kind === 'rolling'
      ? ['word_perplexity', 'byte_perplexity', 'bits_per_byte']
      : [...(judged ? ['score'] : []), ...Object.keys(metrics ?? measures)]
  const examples =
    !shots || shots.none ? 'never any' : `${shots.split}, ${shots.pick === 'first' ? 'the first' : 'drawn'}`
  const config = source.config ? `/${source.config}` : ''
  return [
    split,
    examples,
    told.join(', '),
    `\`${source.folders[0]}${config}\``,
    texts ? `\`${texts.file}\`` : '',
  ]
}

/** Arms of `adapt`: what each does, and from which model. */
function armsTable(name) {
  const { ARMS } = require(`../dist/config/${name}/arms.js`)
  const rows = Object.entries(ARMS).map(([arm, { about, from, trainings, scale }]) => [
    arm,
    about,
    from,
    trainings.join(', '),
    scale ?? '',
  ])
  return table(['arm', 'what it does', 'from', 'trainings', 'scale'], rows)
}

function armTable(name) {
  return table(['key', 'default', 'meaning'], keyRows(properties(`${name}/arms`, 'armSchema'), ''))
}

function plain(value) {
  return value !== undefined && (typeof value !== 'object' || Array.isArray(value))
}

function choices(schema) {
  return schema.enum ? schema.enum.map((word) => `\`${word}\``).join(', ') : ''
}

function table(head, rows, firstCell = (name) => `\`${name}\``) {
  const cell = (text) => String(text).replaceAll('|', '\\|')
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |\n`
  return (
    line(head) +
    line(head.map(() => '---')) +
    rows.map(([first, ...rest]) => line([firstCell(first), ...rest])).join('')
  )
}

if (isMain(import.meta)) {
  for (const file of pages()) {
    const before = readFileSync(join(root, file), 'utf8')
    const after = refreshed(before)
    if (after === before) continue
    writeFileSync(join(root, file), after)
    process.stdout.write(`${file}\n`)
  }
}
