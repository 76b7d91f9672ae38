/** Texts under `held_out` as tasks of `evaluate`: their perplexity, whatever kind of file they come from. */
import { join } from 'node:path'
import { makeFolder, writeText } from '../../checkpoint/write_folder'
import type { AdaptConfig } from '../../config/adapt'
import { toYaml } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { type CorpusOptions, corpusTexts } from '../../text/bpe/corpus_texts'
import { replaceFile } from '../../writes'

/** Writes NAME.jsonl and NAME.yaml for each; returns the task files. Throws ERR_DATA, ERR_NOT_FOUND, ERR_NO_SPACE. */
export async function writeTextTasks(
  { held_out }: Pick<AdaptConfig, 'held_out'>,
  folder: string,
  options: CorpusOptions,
): Promise<string[]> {
  const tasks: string[] = []
  for (const [name, sources] of Object.entries(held_out)) {
    const lines: string[] = []
    for await (const text of corpusTexts(sources, options)) lines.push(`${JSON.stringify({ text })}\n`)
    if (lines.length === 0) throw noTexts(name)
    await makeFolder(folder)
    await replaceFile(join(folder, `${name}.jsonl`), lines.join(''))
    await writeText(folder, `${name}.yaml`, toYaml(taskOf(name)))
    tasks.push(join(folder, `${name}.yaml`))
  }
  return tasks
}

const taskOf = (name: string) => ({
  task: name,
  output_type: 'loglikelihood_rolling',
  dataset_path: 'json',
  dataset_kwargs: { data_files: { test: `${name}.jsonl` } },
  test_split: 'test',
  doc_to_target: 'text',
})

const noTexts = (name: string) =>
  new TongueforgeError('ERR_DATA', `held_out.${name}: expected texts, found none`, {
    hint: 'Is the file complete?',
    details: { key: `held_out.${name}` },
  })
