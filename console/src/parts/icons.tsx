// Drawings in the colour of the text beside them.

import type { JSX } from 'preact'

const DRAWN = {
  map: 'M2.5 3h4v3.5h-4zM9.5 3h4v3.5h-4zM6 9.5h4V13H6zM6.5 4.75h3M4.5 6.5v4.75H6M11.5 6.5v4.75H10',
  executive: 'M2.5 13.5h11M4 11V8M7 11V5M10 11V7M13 11V3',
  oncall: 'M8 2.5a4 4 0 0 1 4 4V10l1.5 2h-11L4 10V6.5a4 4 0 0 1 4-4zM6.5 13.5h3',
  debug: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.3 10.3l3.2 3.2M5 7h4M7 5v4',
  events: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  policies: 'M8 2l5 2v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM5.8 8l1.6 1.6 3-3.2',
  changes: 'M3 8a5 5 0 1 1 1.5 3.5M3 12V9h3M8 5v3.2l2 1.3',
  identities: 'M2.5 3.5h11v9h-11zM6 6.2a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8zM3.8 11c.4-1 1.2-1.6 2.2-1.6S7.8 10 8.2 11M10 6.5h2M10 9h2',
  alerts: 'M8 2.5L14 13H2zM8 6.5V9.5M8 11.2v.1',
  objectives: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM8 8h.01',
  runbooks: 'M3 3h4.2L8 3.8 8.8 3H13v9.5H8.8L8 13.3 7.2 12.5H3zM8 4v9',
  links: 'M6.5 9.5l3-3M7 5l1.5-1.5a2.5 2.5 0 0 1 3.5 3.5L10.5 8.5M9 11l-1.5 1.500A2.5 2.5 0 0 1 4 9l1.5-1.5',
  allow: 'M3 8.5l3.2 3.2L13 4.8',
  deny: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM4.2 4.2l7.6 7.6',
  failed: 'M8 2.5L14 13H2zM8 6.5V9.5M8 11.2v.1',
  plain: 'M5 7V5a3 3 0 0 1 5.8-1M3.5 7h9v6.5h-9z',
  lock: 'M5 7V5a3 3 0 0 1 6 0v2M3.5 7h9v6.5h-9z',
  unseen: 'M3 8h2M7 8h2M11 8h2',
  sun: 'M8 5.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1',
  moon: 'M13 9.500A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z',
  close: 'M4 4l8 8M12 4l-8 8',
  plus: 'M8 3.5v9M3.5 8h9',
  minus: 'M3.5 8h9',
  fit: 'M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  right: 'M6 3.5L10.5 8 6 12.5',
  print: 'M4.5 6V2.5h7V6M4.5 11.5h-2V6h11v5.5h-2M4.5 9.5h7v4h-7z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.5l7 4.5-7 4.5z',
} as const

export type IconName = keyof typeof DRAWN

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" width={size} height={size} aria-hidden="true" focusable="false">
      <path d={DRAWN[name]} fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  )
}
