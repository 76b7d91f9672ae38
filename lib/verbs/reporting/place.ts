/** Where a report goes: the page, and beside it a folder with its charts and numbers as files. Both appear whole. */
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { makeFolder } from '../../checkpoint/write_folder'
import { TongueforgeError } from '../../errors'
import type { Attachment } from '../../report/blocks'
import { removeWork, workFolder } from '../../work_paths'
import { rename, rm, writeFile } from '../../writes'

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
  if (existsSync(page) && !statSync(page).isFile()) throw taken(page, 'It is no file. Choose another --out.')
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

/**
 * The folder first: whoever sees the page finds its files. Where one of the two cannot be put in its place, what was
 * there before is put back. Throws ERR_NO_SPACE, ERR_IO.
 */
export async function publish(
  { page, files }: Place,
  html: string,
  attachments: readonly Attachment[],
): Promise<void> {
  const trash = join(dirname(files), `.trash-${basename(files)}`)
  const work = await workFolder(dirname(page)) // of this report alone: another one may be on its way to the same place
  const [stagedFiles, stagedPage] = [join(work, basename(files)), join(work, basename(page))]
  let [movedAway, placed] = [false, false]
  try {
    await putBack(trash, files) // a kill came between two renames
    await makeFolder(stagedFiles)
    for (const { name, content } of attachments)
      await writeFile(join(stagedFiles, name), content, { flush: true })
    await writeFile(stagedPage, html, { flush: true })
    if (existsSync(files)) {
      await rename(files, trash)
      movedAway = true
    }
    await rename(stagedFiles, files)
    placed = true
    await rename(stagedPage, page)
    await rm(trash, { recursive: true, force: true }).catch(() => {}) // the next report removes it
  } catch (error) {
    if (placed) await rename(files, stagedFiles).catch(() => {}) // what went wrong first is what counts
    if (movedAway) await rename(trash, files).catch(() => {})
    throw error
  } finally {
    await removeWork(work)
  }
}

/** Where the place is free; else it is of no use any more. */
async function putBack(trash: string, files: string): Promise<void> {
  if (!existsSync(trash)) return
  if (existsSync(files)) await rm(trash, { recursive: true, force: true })
  else await rename(trash, files)
}
