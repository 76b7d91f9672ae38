/** What an entry of the cache is found by. */
import { createHash } from 'node:crypto'
import { VERSION } from '../../version'
import type { ResolvedSource } from '../documents'
import type { Encoding } from '../encoding'
import { inscpFrame } from '../inscp_frame'
import { objectives } from '../objectives'
import { ENTRY_VERSION } from './entry'
import type { HashedFile } from './file_hash'

/** Equal for the same content, encoded alike, whatever the files are called. Throws ERR_TEMPLATE. */
export function keyOf(
  source: ResolvedSource,
  files: readonly HashedFile[],
  encoding: Encoding,
  invalid: string,
): string {
  const { objective, options, text } = encoding
  const { tokenizer, template, eosTokenId, endOfTurnId } = text
  const what = {
    version: [ENTRY_VERSION, VERSION],
    files: source.files.map(({ path: _, ...how }, i) => ({ ...how, sha256: files[i]!.sha256 })),
    tokenizer: tokenizer.sha256,
    template: template?.fingerprint,
    times: timesIn(encoding),
    ends: [eosTokenId, endOfTurnId].map((id) => id ?? null),
    objective,
    options,
    invalid,
  }
  return createHash('sha256').update(JSON.stringify(what)).digest('hex')
}

/** What a template that asks for the time makes of it; undefined where the documents are the same at any time. */
function timesIn({ objective, options, text }: Encoding): unknown {
  const times = text.template?.times ?? []
  if (!objectives[objective].templated || times.length === 0) return undefined
  // All of InsCP's documents stand in one frame, and not each has the date. Others may have it in some turns alone.
  return objective === 'inscp' ? inscpFrame(text, options) : times
}
