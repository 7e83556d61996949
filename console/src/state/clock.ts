// The time, once a second, so that ages on screen go on. Control's clock, as far as it is known.

import { signal } from '@preact/signals'

/** Control's clock minus ours, in milliseconds. */
let ahead = 0

export const now = signal(Date.now())

export const controlNow = () => Date.now() + ahead

export function heardClock(theirs: number) {
  // Answers travel; differences below two seconds are not a clock's.
  const by = theirs - Date.now()
  ahead = Math.abs(by) < 2_000 ? 0 : by
}

setInterval(() => { now.value = controlNow() }, 1_000)
