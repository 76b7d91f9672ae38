/** The library, loaded by the first command that needs it: help, doctor and mistakes answer without it. */
export function library(): typeof import('../index') {
  return require('../index')
}
