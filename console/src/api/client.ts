// Questions to control. Every answer is JSON, every refusal says why, and who is not signed in is told once, in one place.

import { signal } from '@preact/signals'
import type { Me, SignInState } from './types.ts'

/** A question takes at most so long, in milliseconds: what answers later is as good as away. */
const ANSWER_MS = 15_000

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly body: Record<string, unknown> = {},
    readonly retry_after_s: number | null = null,
  ) {
    super(message)
  }

  /** Whether nobody answered at all. */
  get away() {
    return this.status === 0
  }
}

/** Who is signed in: `undefined` until it is known, `null` for nobody. */
export const me = signal<Me | null | undefined>(undefined)

async function ask(path: string, init: RequestInit): Promise<Response> {
  let response: Response
  const signals = [AbortSignal.timeout(ANSWER_MS)]
  if (init.signal) signals.push(init.signal)
  try {
    response = await fetch(path, { cache: 'no-store', credentials: 'same-origin', ...init, signal: AbortSignal.any(signals) })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new ApiError(0, 'control does not answer')
  }
  if (response.ok) return response
  const body = await response.json().catch(() => ({})) as Record<string, unknown>
  const said = typeof body['error'] === 'string' ? body['error'] : `answered with ${response.status}`
  const after = Number(response.headers.get('retry-after'))
  // The session is over, wherever that is heard first.
  if (response.status === 401 && path.startsWith('/api/')) me.value = null
  throw new ApiError(response.status, said, body, Number.isFinite(after) && after > 0 ? after : null)
}

/** Who asks: somebody who does something, or the page by itself. The latter does not keep a session alive that nobody uses. */
export type Asker = 'person' | 'page'
/** What tells control that the page asks by itself. */
export const BY_ITSELF = { 'bartizan-by-itself': '1' }

const question = (asker: Asker, signal?: AbortSignal): RequestInit =>
  ({ ...(signal ? { signal } : {}), ...(asker === 'page' ? { headers: BY_ITSELF } : {}) })

export async function get<T>(path: string, signal?: AbortSignal, asker: Asker = 'person'): Promise<T> {
  const response = await ask(`/api/v1/${path}`, question(asker, signal))
  try {
    return await response.json() as T
  } catch {
    throw new ApiError(0, 'the answer was cut short')
  }
}

/** Lines of JSON, with the cursor of the page after it. */
export async function lines<T>(path: string, signal?: AbortSignal, asker: Asker = 'person'): Promise<{ lines: T[]; next: string | null }> {
  const response = await ask(`/api/v1/${path}`, question(asker, signal))
  const text = await response.text().catch(() => { throw new ApiError(0, 'the answer was cut short') })
  const found: T[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    try {
      found.push(JSON.parse(line) as T)
    } catch {
      throw new ApiError(0, 'the answer has a line that is not JSON')
    }
  }
  return { lines: found, next: response.headers.get('bartizan-next') }
}

/** Asks control to do something; wants somebody who is signed in. */
export async function post<T>(path: string, body: unknown): Promise<T | null> {
  return send<T>(path.startsWith('/') ? path : `/api/v1/${path}`, body)
}

async function send<T>(path: string, body: unknown): Promise<T | null> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  const csrf = me.value?.csrf
  if (csrf) headers['bartizan-csrf'] = csrf
  const response = await ask(path, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  return text === '' ? null : JSON.parse(text) as T
}

export const signIn = {
  state: async () => {
    const response = await ask('/sign-in/state', {})
    return await response.json() as SignInState
  },
  link: (token: string) => send('/sign-in/link', { token }),
  password: (name: string, password: string, code: string | null) =>
    send('/sign-in/password', code === null ? { name, password } : { name, password, code }),
  out: async () => {
    await send('/sign-in/out', {})
    me.value = null
  },
}

/** Finds out who is signed in. */
export async function whoAmI(asker: Asker = 'person'): Promise<void> {
  try {
    me.value = await get<Me>('me', undefined, asker)
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) me.value = null
    else throw error
  }
}
