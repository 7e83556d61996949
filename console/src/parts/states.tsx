// What stands where nothing does yet: loading, nothing there, no right to it, an answer that failed, and what has no source.

import type { ComponentChildren } from 'preact'
import type { ApiError } from '../api/client.ts'
import { me } from '../api/client.ts'
import { stretch } from '../lib/format.ts'
import type { Loaded } from '../state/load.ts'

export function Loading({ text = 'Loading' }: { text?: string }) {
  return <div class="state" role="status"><span class="spinner" aria-hidden="true" />{text}</div>
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="state state-empty"><strong>{title}</strong>{children && <div class="muted">{children}</div>}</div>
}

export function Failed({ error, again }: { error: ApiError; again?: () => void }) {
  if (error.status === 403) {
    return (
      <Empty title="Your role may not see this">
        You are signed in as {me.value?.role ?? 'nobody'}. {error.message}
      </Empty>
    )
  }
  return (
    <div class="state state-failed" role="alert">
      <strong>{error.away ? 'Control does not answer' : 'That was refused'}</strong>
      <div class="muted">{error.message}</div>
      {again && <button type="button" onClick={again}>Try again</button>}
    </div>
  )
}

/** Says that what is shown is from earlier. */
export function Stale({ loaded }: { loaded: Loaded<unknown> }) {
  if (!loaded.error || loaded.at === null) return null
  return (
    <p class="banner banner-warn" role="status">
      Last known, {stretch(Date.now() - loaded.at)} old: {loaded.error.message}.{' '}
      <button type="button" class="plain" onClick={loaded.again}>Try again</button>
    </p>
  )
}

/** What was loaded, or the state that stands for it. */
export function Shown<T>({ loaded, children }: { loaded: Loaded<T>; children: (data: T) => ComponentChildren }) {
  if (loaded.data === null) return loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : <Loading />
  return <><Stale loaded={loaded} />{children(loaded.data)}</>
}

/** For what nothing measures: never a number. */
export function NoSource({ children }: { children: ComponentChildren }) {
  return <div class="no-source"><strong>No source yet</strong><div class="muted">{children}</div></div>
}
