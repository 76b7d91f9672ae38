/** Keys of endpoints: they come from the environment, and are shown nowhere. */
import { configError } from '../../config/parse'

/**
 * What the environment variable holds that `key` of the config names, else the usual one. A key that was put in the place
 * of the name must not be shown: neither the name nor what it holds is. Throws ERR_CONFIG.
 */
export function apiKeyOf(
  name: string | undefined,
  { key, file, usual, example }: { key: string; file: string; usual?: string; example: string },
): string | undefined {
  const variable = name ?? usual
  const found = variable === undefined ? undefined : process.env[variable]?.trim()
  const refused = (problem: string) =>
    configError(file, `${key}: ${problem}`, {
      hint: `It names a variable, as ${example}; the key itself stands in no config.`,
      key,
    })
  if (name !== undefined && !found)
    throw refused('expected an environment variable that is set, it names none')
  if (found && !/^[\x21-\x7e]+$/.test(found))
    throw refused('expected a key of plain letters, digits and signs, the variable holds another text')
  return found || undefined
}

/** Throws ERR_CONFIG for an address that holds a name or a password. */
export function checkAddress(url: string, key: string, file: string): void {
  const { username, password } = new URL(url)
  if (username === '' && password === '') return
  throw configError(file, `${key}.url: expected an address without a name and a password`, {
    hint: `${key}.api_key_env names the environment variable with the key.`,
    key: `${key}.url`,
  })
}
