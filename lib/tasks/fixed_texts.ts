/** Texts that define a benchmark, out of the task files of lm-evaluation-harness that the user has. */
import { basename, join } from 'node:path'
import { glob } from 'tinyglobby'
import { readTextFile } from '../checkpoint/json_file'
import { configError } from '../config/parse'
import { TongueforgeError } from '../errors'
import { DocTemplate } from '../text/doc_template'
import { harnessYaml } from './harness_yaml'
import type { FixedTexts, Task } from './task'

export interface FoundTexts {
  texts: FixedTexts
  /** The file that they are from. */
  file: string | undefined
}

/** Throws ERR_NOT_FOUND that names the file to copy, ERR_CONFIG for one without the texts. */
export async function fixedTexts(data: string, { name, texts: wanted, source }: Task): Promise<FoundTexts> {
  if (wanted === undefined) return { texts: {}, file: undefined }
  const file = await findBelow(data, source.folders, wanted.file)
  if (file === undefined) throw missing(name, join(data, source.folders[0]!, wanted.file), wanted.file)
  const content = harnessYaml(await readTextFile(file, { code: 'ERR_CONFIG' }), file)
  const texts: FixedTexts = {}
  for (const key of wanted.keys) {
    const text = content[key]
    if (typeof text !== 'string')
      throw configError(file, `${key}: expected a text, received ${JSON.stringify(text) ?? 'nothing'}`, {
        key,
      })
    if (key === 'doc_to_text') texts.doc_to_text = new DocTemplate(text, `doc_to_text of ${file}`)
    else texts[key] = text
  }
  return { texts, file }
}

async function findBelow(
  data: string,
  folders: readonly string[],
  name: string,
): Promise<string | undefined> {
  for (const folder of ['', ...folders]) {
    const below = folder === '' ? '*' : '**/*.yaml'
    const found = await glob(below, { cwd: join(data, folder), expandDirectories: false }).catch(() => [])
    const file = found.sort().find((path) => basename(path) === name)
    if (file !== undefined) return join(data, folder, file)
  }
  return undefined
}

function missing(task: string, path: string, name: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_NOT_FOUND',
    `${task}: expected the task file ${path}, as lm-evaluation-harness has it, found none`,
    {
      hint: `Copy ${name} out of lm_eval/tasks/ of that project: the texts in it belong to the benchmark.`,
      details: { task, file: path },
    },
  )
}
