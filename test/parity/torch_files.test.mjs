// Files that torch writes here and now, read by us and by torch.load(weights_only=True): the same tensors, byte for byte;
// and what transformers and torch's pruning make of the same checkpoints.
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { torchFilesReference } from '../helpers/reference.mjs'
import { checkConversion, checkTorchFile } from '../helpers/torch_files.mjs'

const SEED = 7

test('every file of torch is read as torch reads it', async (t) => {
  const folder = temporaryFolder()
  for (const name of await torchFilesReference(['files', folder, SEED]))
    await t.test(name, () => checkTorchFile(folder, name))
})

test('every checkpoint becomes what torch and transformers make of it', async (t) => {
  const folder = temporaryFolder()
  for (const name of await torchFilesReference(['conversions', folder, SEED]))
    await t.test(name, () => checkConversion(join(folder, name)))
})
