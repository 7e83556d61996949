// The one connection on which control tells what happens, and what was heard last: it stays on screen, with its age, when nothing comes.

import { computed, signal } from '@preact/signals'
import { backoff } from '../lib/backoff.ts'
import { heardClock, now } from '../state/clock.ts'
import { ApiError, BY_ITSELF, get, me } from './client.ts'
import { SseReader, type Message } from './sse.ts'
import type { Alerts, FleetMap, Ocsf, Status } from './types.ts'

/** Events that a page keeps, a count: what is older can be searched. */
const KEPT = 500
/** Events are handed on together at most so often, in milliseconds: nobody reads faster. */
const FLUSH_MS = 60
/** Silence after which a connection counts as lost, in milliseconds; control says something every 15 s. */
const SILENCE_MS = 25_000

export type Connection = { state: 'connecting' } | { state: 'live' } | { state: 'lost'; since: number; next: number; tries: number }

export const connection = signal<Connection>({ state: 'connecting' })
/** When anything was heard last, by our clock. */
export const heard = signal<number | null>(null)
export const map = signal<FleetMap | null>(null)
export const status = signal<Status | null>(null)
export const alerts = signal<Alerts | null>(null)
export const fleet = signal<string>('')
/** The newest events, newest first. */
export const recent = signal<Ocsf[]>([])
/** Events that passed while this page was too slow, since it was opened. */
export const missed = signal(0)

/** How old what is on screen is, in milliseconds. */
export const age = computed(() => {
  void now.value
  return heard.value === null ? null : Math.max(0, Date.now() - heard.value)
})

/** How often the connection was lost and came back: what was asked before may have holes. */
export const revived = signal(0)

type Listener = (records: Ocsf[]) => void
const listeners = new Set<Listener>()

export function onEvents(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function take(message: Message) {
  const data = JSON.parse(message.data) as unknown
  if (message.event === 'hello') {
    const hello = data as { now: number; fleet: string }
    heardClock(hello.now)
    fleet.value = hello.fleet
  } else if (message.event === 'map') takeMap(data as FleetMap)
  else if (message.event === 'status') status.value = data as Status
  else if (message.event === 'alerts') alerts.value = data as Alerts
  else if (message.event === 'missed') missed.value += (data as { count: number }).count
  else if (message.event === 'events') {
    waiting.push(...data as Ocsf[])
    flushing ??= setTimeout(flush, FLUSH_MS)
  }
}

let firingBefore: number | null = null

/** A map that says of other alerts than the one before is reason to ask which. */
function takeMap(it: FleetMap) {
  map.value = it
  const firing = it.services.reduce((sum, one) => sum + (Array.isArray(one.firing) ? one.firing.length : one.firing ?? 0), 0)
  if (firingBefore !== null && firing !== firingBefore) {
    get<Alerts>('alerts', undefined, 'page').then((told) => { alerts.value = told }, () => { /* The page of alerts says why it cannot be asked. */ })
  }
  firingBefore = firing
}

/** Events that came and were not handed on yet, oldest first. */
let waiting: Ocsf[] = []
let flushing: ReturnType<typeof setTimeout> | null = null

/** Many events at once draw the page once. */
function flush() {
  flushing = null
  const records = waiting
  waiting = []
  recent.value = [...[...records].reverse(), ...recent.value].slice(0, KEPT)
  for (const listener of listeners) listener(records)
}

let stop: AbortController | null = null
let wake: (() => void) | null = null

/** Opens the connection and keeps it, until nobody is signed in any more. */
export async function live(): Promise<void> {
  if (stop) return
  const controller = stop = new AbortController()
  let tries = 0
  let lastId: string | null = null
  let lostSince: number | null = null
  while (!controller.signal.aborted && me.value) {
    try {
      await listen(controller.signal, lastId, (message) => {
        tries = 0
        lostSince = null
        if (message?.id) lastId = message.id
      })
    } catch { /* Whatever it was: it is tried again below, and what is shown says since when. */ }
    if (controller.signal.aborted || !me.value) break
    lostSince ??= heard.value ?? Date.now()
    const wait = backoff(tries++, Math.random())
    connection.value = { state: 'lost', since: lostSince, next: Date.now() + wait, tries }
    await new Promise<void>((done) => {
      wake = done
      setTimeout(done, wait)
    })
  }
  if (stop === controller) stop = null
}

async function listen(outer: AbortSignal, lastId: string | null, alive: (message: Message | null) => void) {
  const controller = new AbortController()
  const abort = () => controller.abort()
  outer.addEventListener('abort', abort)
  let timer = setTimeout(abort, SILENCE_MS)
  try {
    const headers: Record<string, string> = { accept: 'text/event-stream', ...BY_ITSELF }
    if (lastId !== null) headers['last-event-id'] = lastId
    const response = await fetch('/api/v1/stream', { headers, cache: 'no-store', signal: controller.signal })
    if (response.status === 401) me.value = null
    if (!response.ok || !response.body) throw new Error(`answered with ${response.status}`)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    const sse = new SseReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(timer)
      timer = setTimeout(abort, SILENCE_MS)
      heard.value = Date.now()
      if (connection.value.state === 'lost') revived.value++
      connection.value = { state: 'live' }
      alive(null)
      for (const message of sse.push(value)) {
        take(message)
        alive(message)
      }
    }
  } finally {
    clearTimeout(timer)
    outer.removeEventListener('abort', abort)
    controller.abort()
  }
}

/** Why the map could not be asked for, while there is none. */
export const mapFailed = signal<ApiError | null>(null)

/** What there is before anything is told. */
export async function first(): Promise<void> {
  const [theMap, theStatus, theAlerts] = await Promise.allSettled([get<FleetMap>('map'), get<Status>('status'), get<Alerts>('alerts')])
  mapFailed.value = theMap.status === 'rejected' && theMap.reason instanceof ApiError ? theMap.reason : null
  if (theMap.status === 'fulfilled') map.value ??= theMap.value
  if (theStatus.status === 'fulfilled') {
    status.value ??= theStatus.value
    fleet.value ||= theStatus.value.fleet
  }
  if (theAlerts.status === 'fulfilled') alerts.value ??= theAlerts.value
  if (theMap.status === 'fulfilled' || theStatus.status === 'fulfilled') heard.value ??= Date.now()
}

/** Tries now instead of later. */
export function retry() {
  wake?.()
}

export function hangUp() {
  stop?.abort()
  stop = null
  wake?.()
  map.value = null
  status.value = null
  alerts.value = null
  waiting = []
  firingBefore = null
  recent.value = []
  missed.value = 0
  heard.value = null
  connection.value = { state: 'connecting' }
}

addEventListener('online', retry)
document.addEventListener('visibilitychange', () => { if (!document.hidden) retry() })
