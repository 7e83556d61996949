// From what was counted to what is drawn.

import type { IndicatorStatus, SeriesPoint, WindowStatus } from '../api/types.ts'

/** The share that people read at each step; nothing where nothing was counted. */
export function shares(points: SeriesPoint[], isSuccess: boolean): (number | null)[] {
  return points.map(({ bad, all }) => (all > 0 ? (isSuccess ? 1 - bad / all : bad / all) : null))
}

export const bads = (points: SeriesPoint[]): number[] => points.map((it) => it.bad)

/** The share that is asked for, from an indicator's budget: the good ones where it counts success, the bad ones where not. */
export function goal(it: IndicatorStatus): number | null {
  const most = it.places.find((place) => place.budget !== null)?.budget?.bad_max
  return most === undefined ? null : it.is_success ? 1 - most : most
}

export function windowOf(windows: WindowStatus[], seconds: number): WindowStatus | null {
  return windows.find((it) => it.seconds === seconds) ?? null
}
