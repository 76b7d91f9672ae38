/** README.md of a model that we wrote: where it comes from, under which licence, and how it was made. */
import { join } from 'node:path'
import { parseYaml, toYaml } from '../config/parse'
import { VERSION } from '../version'
import { readTextFile } from './json_file'
import { writeText } from './write_folder'

export interface ModelCard {
  title: string
  /** One paragraph. */
  summary: string
  /** Models it was made of, by role; licences come from their own cards. */
  origins: Record<string, { path: string }>
  /** What loads it; default: transformers. */
  library?: 'transformers' | 'peft' | 'tongueforge'
  /** Further keys for its head, over ours: language, base_model. */
  front?: Record<string, unknown>
  /** Between the summary and the origin. */
  sections?: readonly { title: string; text: string }[]
  /** What made it, as resolved.yaml says. */
  config: unknown
}

/** Throws ERR_NO_SPACE or ERR_IO. */
export async function writeModelCard(folder: string, card: ModelCard): Promise<void> {
  const licences = new Set<string | undefined>()
  const lines: string[] = []
  for (const [role, model] of Object.entries(card.origins)) {
    const licence = await licenceOf(model.path)
    licences.add(licence)
    lines.push(`- ${role}: \`${model.path}\`, licence: ${licence ?? 'not stated in its card'}`)
  }
  if (lines.length === 0) lines.push('- random weights')
  const [common] = licences
  const front = {
    ...(licences.size === 1 && common !== undefined && { license: common }),
    library_name: card.library ?? 'transformers',
    tags: ['tongueforge'],
    ...card.front,
  }
  const text = [
    // Hubs read it with a reader of YAML 1.1, to which no, the tag of Norwegian, is false.
    `---\n${toYaml(front, { version: '1.1' })}---\n`,
    `# ${card.title}\n`,
    `${card.summary}\n`,
    ...(card.sections ?? []).map(({ title, text }) => `## ${title}\n\n${text}\n`),
    `## Origin\n`,
    `${lines.join('\n')}\n`,
    `## Made with\n`,
    `tongueforge ${VERSION}; the numbers stand in report.json, the inputs' hashes in provenance.json.\n`,
    `\`\`\`yaml\n${toYaml(card.config)}\`\`\`\n`,
  ]
  await writeText(folder, 'README.md', text.join('\n'))
}

// The `license` key at the head of a model's card, where there is one that can be read.
async function licenceOf(folder: string): Promise<string | undefined> {
  const card = await readTextFile(join(folder, 'README.md'), { code: 'ERR_DATA' }).catch(() => '')
  const front = /^---\n([\s\S]*?)\n---/.exec(card.replaceAll('\r\n', '\n'))?.[1]
  if (front === undefined) return undefined
  try {
    const licence = (parseYaml(front, 'README.md') as { license?: unknown } | null)?.license
    return typeof licence === 'string' ? licence : undefined
  } catch {
    return undefined
  }
}
