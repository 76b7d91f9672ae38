/** From sound files and the clusters of their places to rows, with statistics. */
import type { FrontEnd } from '../../audio/front_end'
import { HeardFrames } from '../../audio/heard_frames'
import type { HidingSpans } from '../../audio/hiding'
import { type AudioList, type ListAudioOptions, listAudio, type Utterance } from '../../audio/list'
import { packSounds } from '../../audio/sound_packing'
import { type LabelledSound, SoundRows } from '../../audio/sound_rows'
import type { SoundTargets } from '../../audio/targets'
import type { DataSource } from '../../config/data'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { IGNORE } from '../../text/conversation'
import { chosen, inTurn, numberedFrom } from '../../text/mixing'
import type { RowSource } from '../../text/packing'
import { Random } from '../../text/random'
import { distinct, type LoadOptions, type TrainingData } from './data'
import type { SourceStatistics } from './data_statistics'

/** What hears the files, and what is foretold of them; without targets, rows are to be listened to alone. */
export interface SoundInputs {
  frontEnd: FrontEnd
  targets: SoundTargets | undefined
  spans: HidingSpans
}

type SoundConfig = Pick<TrainConfig, 'sequence_length' | 'batch_size' | 'seed' | 'sound'>

/** Throws ERR_AUDIO, ERR_DATA for utterances without clusters or with others, ERR_NOT_FOUND. */
export async function loadSounds(
  sources: readonly DataSource[],
  config: SoundConfig,
  inputs: SoundInputs,
  {
    shuffle,
    apart = false,
    signal,
    onWarning,
  }: Pick<LoadOptions, 'shuffle' | 'apart' | 'signal' | 'onWarning'>,
): Promise<TrainingData> {
  const { frontEnd } = inputs
  if (frontEnd.width === 0 && config.sound?.join !== undefined) throw notJoined()
  const listing = { signal, onWarning, leastSeconds: frontEnd.leastSeconds }
  const heard = new HeardFrames(frontEnd, signal)
  const opened: OpenedSounds[] = []
  for (const [i, source] of sources.entries()) {
    const listed = await listSounds([source], listing)
    opened.push(await openSounds(source, i, listed, { config, inputs, heard }))
  }
  const all = opened.flatMap(({ sounds }) => sounds)
  const groups = apart ? opened.map(({ sounds }) => sounds) : [all]
  const parts = packedParts(groups, config, { shuffle, spans: inputs.spans })
  const rows = inTurn(parts.map(({ whole }) => whole))
  if (rows.rowsPerEpoch === 0) throw nothingToHear(sources)
  const places = placesOf(all)
  return {
    rows,
    statistics: {
      sources: opened.map(({ sounds, statistics }) => ({
        ...statistics,
        share: placesOf(sounds) / Math.max(places, 1),
      })),
      documents: all.length,
      tokens: places,
      truncated: 0,
      dropped: 0,
      skipped: opened.reduce((sum, { statistics }) => sum + statistics.skipped, 0),
      rows_per_epoch: rows.rowsPerEpoch,
    },
    parts: parts.map(({ own }) => own),
    names: distinct(sources.map(({ path }) => path)),
    documents: all.length,
    nameOf: (document) => all[document]!.path,
    close: () => frontEnd.dispose(),
  }
}

/** The files of sources as configs of training name them. Throws ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA. */
export function listSounds(
  sources: readonly DataSource[],
  options: ListAudioOptions = {},
): Promise<AudioList> {
  const given = sources.map(({ path, field, invalid, max_invalid }) => ({
    ...{ path, invalid, max_invalid },
    ...(field !== undefined && { column: field }),
  }))
  return listAudio(given, options)
}

interface OpenedSounds {
  /** As often as the weight says. */
  sounds: LabelledSound[]
  statistics: Omit<SourceStatistics, 'share'>
}

async function openSounds(
  { path, weight }: DataSource,
  number: number,
  { utterances, seconds, skipped }: AudioList,
  { config, inputs, heard }: { config: SoundConfig; inputs: SoundInputs; heard: HeardFrames },
): Promise<OpenedSounds> {
  const once = utterances.map((utterance) => labelled(utterance, config, inputs, heard))
  const times = Math.floor(weight)
  const some = Math.round((weight - times) * once.length)
  const more = some > 0 ? await chosen(once.length, some, new Random(config.seed, number)) : []
  const sounds = [...Array.from({ length: times }, () => once).flat(), ...[...more].map((i) => once[i]!)]
  const statistics = {
    ...{ path, files: utterances.length, documents: utterances.length, tokens: placesOf(once), seconds },
    ...{ skipped, truncated: 0, dropped: 0 },
  }
  return { sounds, statistics }
}

function labelled(
  utterance: Utterance,
  { sound }: SoundConfig,
  { frontEnd, targets }: SoundInputs,
  heard: HeardFrames,
): LabelledSound {
  const group = groupOf(utterance, sound?.join)
  const places = frontEnd.places(utterance.samples, utterance.rate)
  const labels = targets?.labels(utterance) ?? new Int32Array(places).fill(IGNORE)
  if (labels.length !== places) throw otherPlaces(utterance, places, labels.length, targets!.folder)
  const piece = async (from: number, count: number) => {
    const { data, width } = await heard.of(utterance)
    return { data: frontEnd.piece(data, from, count), width }
  }
  return { path: utterance.path, places, labels, group, piece }
}

function groupOf({ columns, path }: Utterance, join: string | undefined): string {
  if (join === undefined || join === 'any') return ''
  const value = columns[join]
  if (value !== undefined) return String(value)
  const found = Object.keys(columns).join(', ') || 'none'
  throw new TongueforgeError(
    'ERR_DATA',
    `${path}: expected the column ${join} in its row of the manifest, found ${found}`,
    {
      hint: 'sound.join: any joins utterances whatever they are; a column needs data that are a manifest.',
      details: { file: path, key: 'sound.join' },
    },
  )
}

/** Of each group its rows; `own` hides other places than `whole`, as evaluation is no training. */
function packedParts(
  groups: readonly LabelledSound[][],
  { sequence_length: rowLength, batch_size: rows, seed, sound }: SoundConfig,
  { shuffle, spans }: { shuffle: boolean; spans: HidingSpans },
): { whole: RowSource; own: RowSource }[] {
  let first = 0
  return groups.map((sounds, i) => {
    const options = { rowLength, rows, seed: shuffle ? seed : undefined, join: sound?.join !== undefined }
    const packing = packSounds(sounds, options)
    const hiding = (part: number) =>
      numberedFrom(first, new SoundRows(sounds, packing, { spans, seeds: [seed, part] }))
    const made = { whole: hiding(0), own: hiding(i + 1) }
    first += sounds.length
    return made
  })
}

const placesOf = (sounds: readonly LabelledSound[]) => sounds.reduce((sum, { places }) => sum + places, 0)

// Samples at a seam would be heard together.
const notJoined = () =>
  new TongueforgeError(
    'ERR_CONFIG',
    'config: sound.join: expected nothing with a model that hears samples, whose places reach over a seam',
    { hint: 'Leave sound.join out: a row is an utterance.', details: { key: 'sound.join' } },
  )

const otherPlaces = ({ path }: Utterance, places: number, found: number, folder: string) =>
  new TongueforgeError(
    'ERR_DATA',
    `${path}: expected a cluster for each of ${places} places, found ${found} in ${folder}`,
    {
      hint: 'The targets were made by another front end, or the file has changed: run tongueforge clusters again.',
      details: { file: path, folder },
    },
  )

function nothingToHear(sources: readonly DataSource[]): TongueforgeError {
  const paths = sources.map(({ path }) => path)
  return new TongueforgeError('ERR_DATA', `${paths.join(', ')}: expected sound to learn from, found none`, {
    hint: 'Is every file shorter than a place of the model?',
    details: { files: paths },
  })
}
