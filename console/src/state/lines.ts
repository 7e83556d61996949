// Pages of events: the newest first, and those before them by their cursors.

import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, lines, type Asker } from '../api/client.ts'

export interface Lines<T> {
  lines: T[] | null
  error: ApiError | null
  loading: boolean
  /** Whether there may be more. */
  more: boolean
  /** Asks for the page after those that are there. */
  next: () => void
  again: () => void
}

/** `revival` is another number where the page asks anew by itself, rather than somebody for something else. */
export function useLines<T>(path: string | null, revival = 0): Lines<T> {
  const [, draw] = useState(0)
  const [round, setRound] = useState(0)
  const state = useRef<{ path: string | null; lines: T[] | null; error: ApiError | null; cursor: string | null; loading: boolean }>({
    path, lines: null, error: null, cursor: null, loading: path !== null,
  })
  const controller = useRef<AbortController | null>(null)
  if (state.current.path !== path) state.current = { path, lines: null, error: null, cursor: null, loading: path !== null }
  const revived = useRef(revival)
  const ask = async (from: string | null, asker: Asker = 'person') => {
    if (path === null) return
    const mine = state.current
    controller.current?.abort()
    const { signal } = controller.current = new AbortController()
    mine.loading = true
    draw((n) => n + 1)
    try {
      const page = await lines<T>(from === null ? path : `${path}&cursor=${encodeURIComponent(from)}`, signal, asker)
      // A page is the newest that fit, in the order in which they happened.
      const newest = page.lines.reverse()
      mine.lines = from === null ? newest : [...mine.lines ?? [], ...newest]
      mine.cursor = page.next
      mine.error = null
    } catch (error) {
      if (signal.aborted) return
      mine.error = error instanceof ApiError ? error : new ApiError(0, String(error))
    }
    mine.loading = false
    draw((n) => n + 1)
  }
  useEffect(() => {
    void ask(null, revived.current === revival ? 'person' : 'page')
    revived.current = revival
    return () => controller.current?.abort()
  }, [path, round, revival])
  const it = state.current
  return {
    lines: it.lines, error: it.error, loading: it.loading, more: it.cursor !== null,
    next: () => { if (it.cursor !== null && !it.loading) void ask(it.cursor) },
    again: () => setRound((n) => n + 1),
  }
}
