// Alerts as they were asked for, or as the stream told them where that is newer.

import { useEffect } from 'preact/hooks'
import { alerts as told } from '../api/live.ts'
import type { Alerts } from '../api/types.ts'
import { useLoad, type Loaded } from './load.ts'

export function useAlerts(): Loaded<Alerts> {
  const asked = useLoad<Alerts>('alerts', 10_000)
  useEffect(() => {
    // What was asked for is news for the count beside the menu as well.
    if (asked.data && (told.value === null || asked.data.now > told.value.now)) told.value = asked.data
  }, [asked.data])
  return told.value && (!asked.data || told.value.now >= asked.data.now) ? { ...asked, data: told.value } : asked
}
