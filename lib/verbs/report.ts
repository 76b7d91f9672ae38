/** One page from the folders of runs: load -> plan -> run -> save -> report. Each kind of run is a file in reporting/kinds/. */
import { jsonText } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS, textsOption } from '../config/call_options'
import { type Attachment, attachmentsOf, type Block } from '../report/blocks'
import { type Chapter, type Document, documentHtml } from '../report/document'
import { VERSION } from '../version'
import { checkedPlace, publish, SCHEMA } from './reporting/place'
import { type PlannedRun, planRuns } from './reporting/plan'
import { provenanceBlocks } from './reporting/provenance'
import { count } from './reporting/words'

/** Where the page goes. */
export interface ReportOptions {
  /** The page: a path that ends in .html. Beside it comes a folder with its charts and numbers as files. */
  out: string
  /** Of the page; default: of what it tells. */
  title?: string | undefined
  /** Replace an earlier report. */
  overwrite?: boolean | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: { label: string; done: number; total: number }) => void) | undefined
}

const OPTIONS: Kinds<ReportOptions> = { ...LISTENERS, out: 'needed', title: 'text', overwrite: 'flag' }

/** A run as a report tells of it. */
export interface ReportedRun {
  name: string
  path: string
  /** adapt, train, sweep, landscape, compress, evaluate, clusters, probe, attention, demo or model. */
  kind: string
  /** False of a run that has not come to its end; `done` says how far it is. */
  finished: boolean
  done?: string
  sentence: string
  figures: { name: string; value: number | string; text: string; note?: string }[]
}

/** report.json of the folder beside the page. */
export interface ReportContent {
  schema: typeof SCHEMA
  title: string
  runs: ReportedRun[]
  /** Beside the page: charts as SVG, tables as CSV. */
  files: string[]
}

export interface ReportResult extends ReportContent {
  page: string
  files_folder: string
}

/**
 * Writes one self-contained HTML page from the folders of runs (docs/report.md). Same folders, same bytes. Throws
 * ERR_USAGE, ERR_NOT_FOUND, ERR_DATA for a folder that is no run of tongueforge, ERR_EXISTS, ERR_NO_SPACE, ERR_IO.
 */
export async function report(folders: readonly string[], options: ReportOptions): Promise<ReportResult> {
  checkOptions('report', options, OPTIONS)
  textsOption('report: folders', folders)
  const { out, overwrite = false, signal, onProgress } = options
  signal?.throwIfAborted()
  const place = await checkedPlace(out, overwrite)
  const runs = await planRuns(folders)
  const read: ReadRun[] = []
  for (const [done, run] of runs.entries()) {
    signal?.throwIfAborted()
    onProgress?.({ label: run.folder.name, done, total: runs.length })
    read.push(await readRun(run))
  }
  const document = await documentOf(read, options.title)
  signal?.throwIfAborted()
  const { html, content, attachments } = rendered(document, read)
  await publish(place, html, attachments)
  return { page: place.page, files_folder: place.files, ...content }
}

interface ReadRun extends PlannedRun {
  /** What the kind has read. */
  data: unknown
  chapter: Chapter
}

async function readRun(run: PlannedRun): Promise<ReadRun> {
  const { of, folder, files } = run
  const data = await of.read(folder)
  const blocks = [...(await of.details(data, folder, files)), ...(await provenanceBlocks(folder, files))]
  const id = `run-${files.split('-')[0]}`
  return {
    ...run,
    data,
    chapter: { id, kind: of.title, name: folder.name, ...of.summary(data, folder), blocks },
  }
}

type Draft = Omit<Document, 'data'>

async function documentOf(read: readonly ReadRun[], title?: string): Promise<Draft> {
  const kinds = [...new Set(read.map(({ of }) => of))]
  const together: Draft['together'] = []
  for (const kind of kinds) {
    const runs = read.filter(({ of }) => of === kind)
    if (runs.length < 2 || kind.together === undefined) continue
    const blocks = await kind.together(runs.map(({ folder, data: run }) => ({ name: folder.name, run })))
    together.push({ title: `${kind.title}: ${count(runs.length, 'run')} side by side`, blocks })
  }
  const [first] = read
  const given =
    read.length === 1 ? `${first!.of.title}: ${first!.folder.name}` : `Report on ${count(read.length, 'run')}`
  const counts = kinds.map((kind) => {
    const number = read.filter(({ of }) => of === kind).length
    return number === 1 ? kind.title : `${kind.title} (${number})`
  })
  return {
    ...{ title: title ?? given, lead: `${counts.join(', ')}.`, together },
    chapters: read.map(({ chapter }) => chapter),
    colophon: `Written by tongueforge ${VERSION}.`,
  }
}

function rendered(
  draft: Draft,
  read: readonly ReadRun[],
): { html: string; content: ReportContent; attachments: Attachment[] } {
  const blocks: Block[] = [...draft.together, ...draft.chapters].flatMap((part) => part.blocks)
  const attachments = blocks.flatMap(attachmentsOf)
  const files = attachments.map(({ name }) => name)
  const content: ReportContent = { schema: SCHEMA, title: draft.title, runs: read.map(reported), files }
  const text = jsonText(content)
  const data: Attachment = { name: 'report.json', type: 'application/json', content: text }
  return { html: documentHtml({ ...draft, data }), content, attachments: [...attachments, data] }
}

function reported({ kind, folder, chapter }: ReadRun): ReportedRun {
  const { name, unfinished, sentence, figures } = chapter
  return {
    ...{ name, path: folder.path, kind, finished: unfinished === undefined },
    ...(unfinished !== undefined && { done: unfinished }),
    ...{ sentence, figures },
  }
}
