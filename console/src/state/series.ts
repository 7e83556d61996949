// Series of an indicator and the changes meanwhile, asked for together and again.

import { useMemo } from 'preact/hooks'
import type { Changes, Series } from '../api/types.ts'
import { newestFirst } from '../lib/changes.ts'
import { controlNow } from './clock.ts'
import { useLoad, type Loaded } from './load.ts'

export function useSeries(indicator: string, place: string, seconds: number, every_ms: number): Loaded<Series> {
  return useLoad<Series>(`series?indicator=${encodeURIComponent(indicator)}&place=${encodeURIComponent(place)}&seconds=${seconds}`, every_ms)
}

/** Changes of the last so many seconds, newest first. */
export function useChanges(seconds: number, every_ms: number | null, limit = 200): Loaded<Changes> {
  const since = Math.floor((controlNow() - seconds * 1000) / 10_000) * 10_000
  const loaded = useLoad<Changes>(`changes?since_ms=${since}&limit=${limit}`, every_ms, `changes of ${seconds} s, ${limit}`)
  const { data } = loaded
  return { ...loaded, data: useMemo(() => data && { ...data, changes: newestFirst(data.changes) }, [data]) }
}
