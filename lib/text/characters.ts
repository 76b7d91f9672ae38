/** A character outside the basic plane is two units of a JavaScript string, one character to everyone else. */
export function charactersIn(text: string): number {
  let count = text.length
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) count--
  return count
}
