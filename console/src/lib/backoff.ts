// How long to wait before the next try, so that a control that comes back is not met by every page at once.

const FIRST_MS = 500
const MOST_MS = 15_000

/** Before try number `tries` (from 0); `chance` is 0 to 1. Half of it is fixed, half is left to chance. */
export function backoff(tries: number, chance: number): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(tries, 16))
  return Math.round(most / 2 + most / 2 * chance)
}
