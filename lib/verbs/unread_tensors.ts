/** Tensors of a folder that belong to another head than config.json names: what is made of the model will lack them. */

/** As native's loadModel tells of them. */
export interface Unread {
  unread: string[]
}

/** Names that a warning shows. */
const NAMED = 5

/** For loadModel: hears of what is not read, and warns. */
export const warnOfUnread =
  (folder: string, warn: (message: string) => void) =>
  ({ unread }: Unread): void => {
    const more = unread.length > NAMED ? `, and ${unread.length - NAMED} more` : ''
    warn(
      `${folder}: tensors that the class in config.json does not have are not read, and will not be in the result: ` +
        `${unread.slice(0, NAMED).join(', ')}${more}`,
    )
  }
