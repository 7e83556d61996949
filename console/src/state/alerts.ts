// Alerts as they were asked for, or as the stream told them where that is newer.

import { alerts as told } from '../api/live.ts'
import type { Alerts } from '../api/types.ts'
import { useLoad, type Loaded } from './load.ts'

export function useAlerts(): Loaded<Alerts> {
  const asked = useLoad<Alerts>('alerts', 10_000)
  return told.value && (!asked.data || told.value.now >= asked.data.now) ? { ...asked, data: told.value } : asked
}
