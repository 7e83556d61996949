// What a page asks control for, kept while it is asked again: an answer that fails leaves the last one on screen, and says so.

import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, get, type Asker } from '../api/client.ts'

export interface Loaded<T> {
  data: T | null
  /** Why the last question failed. */
  error: ApiError | null
  /** When `data` came, by our clock. */
  at: number | null
  loading: boolean
  again: () => void
}

/** Answers that are kept for pages that are opened again, a count. */
const KEPT = 60
const kept = new Map<string, { data: unknown; at: number }>()

function keep(path: string, data: unknown) {
  kept.delete(path)
  kept.set(path, { data, at: Date.now() })
  if (kept.size > KEPT) kept.delete(kept.keys().next().value ?? '')
}

/** Nothing of somebody's session is there for the next one. */
export const forget = () => kept.clear()

/**
 * Asks for `path` now, since somebody came here, and again every `every_ms`, by itself; `null` asks nothing. `key` is what the answer is kept by, where the path itself has a
 * time in it.
 */
export function useLoad<T>(path: string | null, every_ms: number | null = null, key = path): Loaded<T> {
  const before = key === null ? undefined : kept.get(key)
  const [, draw] = useState(0)
  const state = useRef<{ key: string | null; data: T | null; error: ApiError | null; at: number | null; loading: boolean }>({
    key, data: (before?.data as T | undefined) ?? null, error: null, at: before?.at ?? null, loading: path !== null,
  })
  if (state.current.key !== key) {
    state.current = { key, data: (before?.data as T | undefined) ?? null, error: null, at: before?.at ?? null, loading: path !== null }
  }
  const latest = useRef(path)
  latest.current = path
  const ask = useRef<(asker: Asker) => void>(() => {})
  useEffect(() => {
    if (key === null) return
    const controller = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const mine = state.current
    ask.current = async (asker) => {
      clearTimeout(timer)
      const asked = latest.current
      if (asked === null) return
      mine.loading = true
      try {
        const data = await get<T>(asked, controller.signal, asker)
        keep(key, data)
        Object.assign(mine, { data, error: null, at: Date.now() })
      } catch (error) {
        if (controller.signal.aborted) return
        mine.error = error instanceof ApiError ? error : new ApiError(0, String(error))
      }
      mine.loading = false
      draw((n) => n + 1)
      if (every_ms !== null) timer = setTimeout(() => ask.current('page'), every_ms)
    }
    ask.current('person')
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [key, every_ms])
  const { data, error, at, loading } = state.current
  return { data, error, at, loading, again: () => ask.current('person') }
}
