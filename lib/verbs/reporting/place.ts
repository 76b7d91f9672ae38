/** Where a report goes: the page, and beside it a folder with its charts and numbers as files. Both appear whole. */
import { existsSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { readJsonObjectIfPresent, writeFailed } from '../../checkpoint/json_file'
import { makeFolder, writeText } from '../../checkpoint/write_folder'
import { TongueforgeError } from '../../errors'
import type { Attachment } from '../../report/blocks'

export const SCHEMA = 'tongueforge.report/1'

export interface Place {
  page: string
  /** `report_files` beside `report.html`, as browsers call it. */
  files: string
}

/** Throws ERR_USAGE for a page of another name; ERR_EXISTS where something is there that may not be replaced. */
export async function checkedPlace(out: string, overwrite: boolean): Promise<Place> {
  if (!/.\.html?$/i.test(basename(out)))
    throw new TongueforgeError('ERR_USAGE', `out: expected a file that ends in .html, received ${out}`, {
      hint: 'Say --out report.html.',
      details: { out },
    })
  const page = resolve(out)
  const files = page.replace(/\.html?$/i, '_files')
  for (const path of [page, files]) if (existsSync(path) && !overwrite) throw taken(path, 'Use --overwrite.')
  // Only what a report has written is removed.
  if (existsSync(files) && !(await isOurs(files)))
    throw taken(files, 'It is no folder of an earlier report. Choose another --out.')
  return { page, files }
}

const isOurs = async (files: string) => {
  const found = await readJsonObjectIfPresent(join(files, 'report.json'), { code: 'ERR_EXISTS' }).catch(
    () => undefined,
  )
  return found?.schema === SCHEMA
}

const taken = (path: string, hint: string) =>
  new TongueforgeError('ERR_EXISTS', `${path}: expected nothing there, and it exists`, {
    hint,
    details: { path },
  })

/** The folder first: whoever sees the page finds its files. Throws ERR_NO_SPACE, ERR_IO. */
export async function publish(
  { page, files }: Place,
  html: string,
  attachments: readonly Attachment[],
): Promise<void> {
  const hidden = (path: string) => join(dirname(path), `.tmp-${basename(path)}`)
  const [stagedFiles, stagedPage] = [hidden(files), hidden(page)]
  await makeFolder(dirname(page))
  try {
    await rm(stagedFiles, { recursive: true, force: true })
    await makeFolder(stagedFiles)
    for (const { name, content } of attachments) await writeText(stagedFiles, name, content)
    await writeFile(stagedPage, html).catch(writeFailed(stagedPage))
    await rm(files, { recursive: true, force: true })
    await rename(stagedFiles, files).catch(writeFailed(files))
    await rename(stagedPage, page).catch(writeFailed(page))
  } finally {
    for (const path of [stagedFiles, stagedPage]) await rm(path, { recursive: true, force: true })
  }
}
