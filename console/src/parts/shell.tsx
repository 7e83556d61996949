// What stands around every page: where to go, whose fleet it is, how old what is shown is, and who is signed in.

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { me, signIn } from '../api/client.ts'
import { age, alerts, connection, fleet, missed, retry } from '../api/live.ts'
import { count, stretch } from '../lib/format.ts'
import { now } from '../state/clock.ts'
import { path } from '../state/router.ts'
import { choose, isDark } from '../state/theme.ts'
import { Icon, type IconName } from './icons.tsx'

interface Place { to: string; name: string; icon: IconName; least?: 'administrator' }

const PLACES: { title: string; places: Place[] }[] = [
  { title: 'Fleet', places: [{ to: '/', name: 'Service map', icon: 'map' }] },
  {
    title: 'Boards',
    places: [
      { to: '/boards/executive', name: 'Executive', icon: 'executive' },
      { to: '/boards/on-call', name: 'On call', icon: 'oncall' },
      { to: '/boards/debug', name: 'Debug', icon: 'debug' },
    ],
  },
  {
    title: 'Look closer',
    places: [
      { to: '/events', name: 'Events', icon: 'events' },
      { to: '/alerts', name: 'Alerts', icon: 'alerts' },
      { to: '/policies', name: 'Policies', icon: 'policies' },
      { to: '/changes', name: 'Changes', icon: 'changes' },
      { to: '/identities', name: 'Identities', icon: 'identities' },
      { to: '/objectives', name: 'Objectives', icon: 'objectives' },
      { to: '/runbooks', name: 'Runbooks', icon: 'runbooks' },
      { to: '/links', name: 'Sign-in links', icon: 'links', least: 'administrator' },
    ],
  },
]

export function Shell({ children }: { children: ComponentChildren }) {
  const [open, setOpen] = useState(false)
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus() }}>To the content</a>
      <header class="top">
        <button type="button" class="icon-button menu-button" aria-expanded={open} aria-controls="places" aria-label="Menu" onClick={() => setOpen(!open)}>
          <Icon name={open ? 'close' : 'menu'} />
        </button>
        <a class="brand" href="/"><Mark />Bartizan</a>
        <span class="fleet-name" title="The fleet">{fleet.value}</span>
        <span class="grow" />
        <Heard />
        <ThemeSwitch />
        <Person />
      </header>
      <nav id="places" class={open ? 'places open' : 'places'} aria-label="Pages" onClick={() => setOpen(false)}>
        {PLACES.map(({ title, places }) => (
          <div class="place-group" key={title}>
            <h2>{title}</h2>
            <ul>
              {places.filter((it) => !it.least || me.value?.role === it.least).map((it) => <li key={it.to}><PlaceLink place={it} /></li>)}
            </ul>
          </div>
        ))}
      </nav>
      <main id="main" tabIndex={-1}>
        <Lost />
        {missed.value > 0 && (
          <p class="banner banner-warn" role="status">
            This page was too slow for {count(missed.value)} events. They are stored: search them.{' '}
            <button type="button" class="plain" onClick={() => { missed.value = 0 }}>Dismiss</button>
          </p>
        )}
        {children}
      </main>
    </div>
  )
}

function PlaceLink({ place }: { place: Place }) {
  const here = path.value === place.to
  const firing = place.to === '/alerts' ? (alerts.value?.alerts ?? []).filter((it) => it.state === 'firing' && !it.silenced_by).length : 0
  return (
    <a href={place.to} {...here ? { 'aria-current': 'page' as const } : {}}>
      <Icon name={place.icon} />
      <span>{place.name}</span>
      {firing > 0 && <span class="count" aria-label={`${firing} firing`}>{count(firing)}</span>}
    </a>
  )
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 16 16" width="20" height="20" aria-hidden="true">
      <path fill="currentColor" d="M2 2h3v2h1.500V2h3v2H11V2h3v5l-2 2v5H4V9L2 7z" />
    </svg>
  )
}

/** Live, and how old what is on screen is. */
function Heard() {
  const it = connection.value
  const old = age.value
  const text = it.state === 'live' ? 'Live' : it.state === 'lost' ? 'Lost' : 'Connecting'
  return (
    <span class={`heard heard-${it.state}`} data-age-ms={old ?? ''}>
      <span class="dot" aria-hidden="true" />
      <span>{text}</span>
      {old !== null && <span class="muted data-age">data {stretch(old)} old</span>}
    </span>
  )
}

function Lost() {
  const it = connection.value
  void now.value
  if (it.state !== 'lost') return null
  const wait = Math.max(0, it.next - Date.now())
  return (
    <div class="banner banner-lost" role="alert">
      <strong>Connection to control lost {stretch(Date.now() - it.since)} ago.</strong>{' '}
      <span>What is shown is the last that was known. Guards go on with what they hold. {wait > 1000 ? `Next try in ${stretch(wait)}.` : 'Trying now.'}</span>{' '}
      <button type="button" class="plain" onClick={retry}>Try now</button>
    </div>
  )
}

function ThemeSwitch() {
  const dark = isDark.value
  return (
    <button type="button" class="icon-button" aria-label={dark ? 'Light colours' : 'Dark colours'} onClick={() => choose(dark ? 'light' : 'dark')}>
      <Icon name={dark ? 'sun' : 'moon'} />
    </button>
  )
}

function Person() {
  const who = me.value
  if (!who) return null
  return (
    <div class="person">
      <span class="person-name" title={`Signed in as ${who.role}`}>{who.name}<span class="muted"> {who.role}</span></span>
      <button type="button" class="quiet" onClick={() => { void signIn.out().catch(() => { me.value = null }) }}>Sign out</button>
    </div>
  )
}
