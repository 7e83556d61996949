// Changes in the order in which people look for them.

import type { Change } from '../api/types.ts'

/** The newest first, and of one moment as they came. */
export function newestFirst(changes: Change[]): Change[] {
  const rising = changes.length > 1 && (changes[0]?.at ?? 0) < (changes.at(-1)?.at ?? 0)
  return (rising ? [...changes].reverse() : [...changes]).sort((a, b) => b.at - a.at)
}
