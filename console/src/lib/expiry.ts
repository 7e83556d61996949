// What runs out within which time.

import type { ExpiryItem } from '../api/types.ts'

const HOUR = 3_600_000

export const STEPS: [string, number][] = [
  ['has run out', 0],
  ['within 15 min', HOUR / 4],
  ['within an hour', HOUR],
  ['within a day', 24 * HOUR],
  ['within a week', 7 * 24 * HOUR],
  ['within 30 days', 30 * 24 * HOUR],
  ['later', Infinity],
]

/** In steps of time, each item in the first that it fits. */
export function forecast(items: ExpiryItem[], now: number): { name: string; items: ExpiryItem[] }[] {
  let from = -Infinity
  return STEPS.map(([name, until]) => {
    const those = items.filter((it) => it.at - now > from && it.at - now <= until)
    from = until
    return { name, items: those }
  })
}
