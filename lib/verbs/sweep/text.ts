/** Tokenizer and template of the model that a graft makes. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeWithManners } from '../../checkpoint/mannered_folder'
import { openTokenizerFolder } from '../../checkpoint/model_folder'
import type { Alignment } from '../../text/alignment/align'
import { mannersOf } from '../../text/alignment/manners'
import { loadModelText, type ModelText } from '../../text/model_text'
import { mkdtemp, rm } from '../../writes'
import type { GraftModels } from '../grafting/inputs'

/** Read from the small files that a graft writes, which are there for a moment. Throws ERR_TOKENIZER, ERR_TEMPLATE. */
export async function textOfGraft(
  { target, vectors }: GraftModels,
  alignment: Alignment,
): Promise<ModelText> {
  const chat = vectors[0]!.chat.folder
  const folder = await mkdtemp(join(tmpdir(), 'tongueforge-sweep-'))
  try {
    const manners = await mannersOf(chat, alignment)
    await writeWithManners(folder, { target: target.folder, chat, alignment, manners })
    return await loadModelText(await openTokenizerFolder(folder))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
