/** What sources of sound hold, for the hash of a run and for provenance.json: one record a source, however many its files. */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { isManifest } from '../../audio/manifest'
import { LABELS_FILE } from '../../audio/targets'
import { type InputRecord, recordInput } from '../../checkpoint/provenance'
import type { DataSource } from '../../config/data'
import type { TrainConfig } from '../../config/train'
import { realpath } from '../../files'
import { hashFile } from '../../text/cache/file_hash'
import { listSounds } from './sound_data'

/** Throws ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA, ERR_IO. */
export async function recordSounds(
  role: string,
  sources: readonly DataSource[],
  { cache, signal }: { cache: string; signal: AbortSignal },
): Promise<{ content: object[]; inputs: InputRecord[] }> {
  const content = []
  const inputs: InputRecord[] = []
  for (const source of sources) {
    const { sha256, bytes } = await hashOf(source, cache, signal)
    const path = resolve(source.path)
    inputs.push({ role, path, files: [{ name: path, real_path: await realpath(path), bytes, sha256 }] })
    content.push({ weight: source.weight, sha256 })
  }
  return { content, inputs }
}

/**
 * The keys that say how sound becomes rows and what is foretold, the targets by their content; undefined where there are
 * none. Throws ERR_NOT_FOUND, ERR_IO.
 */
export async function recordSoundKeys(
  sound: TrainConfig['sound'],
  signal: AbortSignal,
): Promise<{ content: object | undefined; inputs: InputRecord[] }> {
  if (sound?.targets === undefined) return { content: sound, inputs: [] }
  const targets = await recordInput('targets', sound.targets, [LABELS_FILE], signal)
  return { content: { ...sound, targets: { sha256: targets.files[0]!.sha256 } }, inputs: [targets] }
}

/** Of the names and contents of all files; of a manifest, which says what belongs together, of its own content too. */
async function hashOf(
  source: DataSource,
  cache: string,
  signal: AbortSignal,
): Promise<{ sha256: string; bytes: number }> {
  const { utterances } = await listSounds([source], { signal })
  const hash = createHash('sha256')
  let bytes = 0
  if (isManifest(source.path)) hash.update((await hashFile(source.path, cache, signal)).sha256)
  for (const utterance of utterances) {
    const { sha256, stamp } = await hashFile(utterance.path, cache, signal)
    hash.update(`${utterance.name} ${sha256}\n`)
    bytes += stamp.size
  }
  return { sha256: hash.digest('hex'), bytes }
}
