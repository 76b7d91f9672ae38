/** The utterances of folders, patterns and manifests, their heads read and checked. */
import { relative, sep } from 'node:path'
import { z } from 'zod'
import { type AudioSource, audioSource, type RowsWhere } from '../config/audio'
import { checkOptions, type Kinds, LISTENERS, listOption, numberOption } from '../config/call_options'
import { checkConfig } from '../config/parse'
import { TongueforgeError } from '../errors'
import { type FileKind, findFiles } from '../text/find_files'
import { Skipped } from '../text/skipped'
import { audioError, ENDINGS, formatOf, unknownFormat } from './formats'
import { isManifest, MANIFESTS, readManifest } from './manifest'
import { type AudioInfo, audioInfos } from './read'
import { isSelected } from './selected_rows'

export interface Utterance extends AudioInfo {
  /** Its path relative to the source: to the folder, the manifest, or where the pattern begins; with "/". */
  name: string
  path: string
  /** Which of the sources it is of, from 0. */
  source: number
  /** Of a manifest: the other columns of its row. */
  columns: Record<string, unknown>
}

export interface AudioList {
  /** Source after source; within a folder or pattern by name, of a manifest in its order. */
  utterances: Utterance[]
  seconds: number
  /** Files that cannot be used and were left out, as `invalid: skip` says; and what is wrong with the first ones. */
  skipped: number
  problems: string[]
}

export interface ListAudioOptions {
  /** What is shorter is refused as a bad file; default: 0. A frame is 0.025 s long. */
  leastSeconds?: number | undefined
  signal?: AbortSignal | undefined
  onWarning?: ((message: string) => void) | undefined
  /** Hears how many files of a source are looked at. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined
}

const OPTIONS: Kinds<ListAudioOptions> = { ...LISTENERS, leastSeconds: 'any', onWarning: 'function' }

/** A source with little said. */
export type AudioSourceLike = Pick<AudioSource, 'path'> & Partial<AudioSource>

const sourcesSchema = z.strictObject({ sources: z.array(audioSource) })

/**
 * Lists the sound files of sources. A file that is missing, no sound, of a codec that is not read, cut off, empty or too
 * short is refused by name, with one error; with `invalid: skip` it is left out and counted. Throws ERR_NOT_FOUND,
 * ERR_AUDIO, ERR_DATA for a manifest, or for more bad files than max_invalid allows.
 */
export async function listAudio(
  sources: readonly AudioSourceLike[],
  options: ListAudioOptions = {},
): Promise<AudioList> {
  checkOptions('listAudio', options, OPTIONS)
  const { leastSeconds = 0 } = options
  numberOption('listAudio: leastSeconds', leastSeconds, { least: 0, most: 2 ** 30, whole: false })
  listOption('listAudio: sources', sources, '{ path }')
  const given = checkConfig(sourcesSchema, { sources }, 'listAudio').sources
  options.signal?.throwIfAborted()
  const list: AudioList = { utterances: [], seconds: 0, skipped: 0, problems: [] }
  for (const [number, source] of given.entries()) await addSource(list, source, number, options)
  for (const { seconds } of list.utterances) list.seconds += seconds
  return list
}

async function addSource(
  list: AudioList,
  source: AudioSource,
  number: number,
  options: ListAudioOptions,
): Promise<void> {
  const skipped = new Skipped(source.path, source.max_invalid, 'files')
  const refuse = (error: Error) => {
    if (source.invalid !== 'skip') throw error
    skipped.add(error)
  }
  const candidates = await candidatesOf(source, refuse, options)
  const { leastSeconds = 0, signal, onProgress, onWarning } = options
  const total = candidates.length
  const all = total + skipped.count
  const infos = await audioInfos(
    candidates.map(({ path }) => path),
    { signal, onProgress: (done) => onProgress?.({ done, total }) },
  )
  for (const [i, info] of infos.entries()) {
    const candidate = candidates[i]!
    const problem = info instanceof TongueforgeError ? info : tooShort(candidate.path, info, leastSeconds)
    if (problem) refuse(problem)
    else list.utterances.push({ ...candidate, ...(info as AudioInfo), source: number })
  }
  skipped.check(all)
  if (skipped.count > 0) onWarning?.(`${source.path}: ${skipped.count} files are left out`)
  list.skipped += skipped.count
  list.problems.push(...skipped.problems)
}

type Candidate = Pick<Utterance, 'name' | 'path' | 'columns'>

async function candidatesOf(
  { path, column, where }: AudioSource,
  onInvalid: (error: Error) => void,
  { signal, onWarning }: ListAudioOptions,
): Promise<Candidate[]> {
  if (isManifest(path)) {
    const rows: Candidate[] = []
    let all = 0
    for await (const { name, path: file, columns } of readManifest(path, { column, onInvalid, signal })) {
      all++
      if (!where || isSelected({ path: file, columns }, where))
        rows.push({ name: withinSource(name), path: file, columns })
    }
    if (rows.length > 0) return rows
    if (all > 0) throw noneSelected(path, all, where!)
    throw new TongueforgeError('ERR_DATA', `${path}: expected rows with sound files, found none`, {
      hint: 'A row a file, under columns such as path, speaker, text.',
      details: { file: path },
    })
  }
  if (where) throw noManifest(path)
  const { files, ignored, folder } = await findFiles(path, SOUND)
  if (ignored.length > 0) onWarning?.(`${path}: ${ignored.length} files of other kinds are left out`)
  return files.map((file) => ({ name: posix(relative(folder, file)), path: file, columns: {} }))
}

const noneSelected = (path: string, rows: number, where: RowsWhere) =>
  new TongueforgeError(
    'ERR_DATA',
    `${path}: expected rows that are as where says, ${JSON.stringify(where)}, found none of ${rows}`,
    { hint: 'Compare the values with the columns of the manifest.', details: { file: path, key: 'where' } },
  )

const noManifest = (path: string) =>
  new TongueforgeError('ERR_DATA', `${path}: where: expected a manifest, received something else`, {
    hint: `Only rows of a manifest (${MANIFESTS}) have columns.`,
    details: { file: path, key: 'where' },
  })

const SOUND: FileKind = {
  accepts: (file) => formatOf(file) !== undefined,
  name: 'sound',
  endings: `${ENDINGS}; manifests in ${MANIFESTS}`,
  refuse: unknownFormat,
}

/** A name that no program takes for a way out of a folder: labels are kept under it. */
const withinSource = (name: string) => posix(name).replace(/^(\.{0,2}\/)+/, '')

const posix = (name: string) => name.split(sep).join('/')

function tooShort(path: string, { seconds }: AudioInfo, least: number): TongueforgeError | undefined {
  if (seconds >= least) return undefined
  return audioError(
    path,
    'too_short',
    `expected at least ${least} s, received ${Number(seconds.toPrecision(3))} s`,
    'Leave the file out, or set invalid: skip.',
  )
}
