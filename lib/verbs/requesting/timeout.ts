/** setTimeout knows no longer wait, and takes one for none. */
const LONGEST_TIMEOUT = 2 ** 31 - 1

/** Milliseconds for setTimeout, of seconds that a user gave: 24 days at most. */
export const timeoutOf = (seconds: number): number => Math.min(1000 * seconds, LONGEST_TIMEOUT)
