/** Task files of lm-evaluation-harness: YAML whose `!function` values name Python, which is not run. */
import { parseYaml } from '../config/parse'

/** The keys of a file. Values that are Python functions come as a text `!function NAME`. Throws ERR_CONFIG. */
export function harnessYaml(text: string, file: string): Record<string, unknown> {
  const readable = text.replace(/^([\s-]*[\w-]+:\s*)!function\s+(.*)$/gm, '$1"!function $2"')
  const content = parseYaml(readable, file)
  return typeof content === 'object' && content !== null ? (content as Record<string, unknown>) : {}
}
