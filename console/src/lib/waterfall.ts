// Where the bars of a waterfall begin and end, as shares of the whole.

import type { TraceStep } from '../api/types.ts'

export interface Row { step: TraceStep; start: number; length: number; added: number }

/** A record is written when its call ends, so it began `took_us` before. Clocks of guards differ a little; nothing stands outside. */
export function waterfall(steps: TraceStep[]): { rows: Row[]; from: number; length_us: number } {
  const began = (it: TraceStep) => it.at * 1000 - (it.took_us ?? 0)
  const from = Math.min(...steps.map(began))
  const until = Math.max(...steps.map((it) => it.at * 1000))
  const all = Math.max(1, until - from)
  const rows = steps.map((step) => {
    const start = Math.min(1, Math.max(0, (began(step) - from) / all))
    const length = Math.min(1 - start, (step.took_us ?? 0) / all)
    const added = step.took_us && step.added_us ? Math.min(1, step.added_us / step.took_us) : 0
    return { step, start, length, added }
  })
  return { rows, from: from / 1000, length_us: all }
}
