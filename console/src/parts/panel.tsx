// A part of a board, with its heading, and the side sheet that opens beside a list or the map.

import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Icon } from './icons.tsx'

export function Panel({ title, note, action, wide = false, id, children }: {
  title: string
  note?: ComponentChildren
  action?: ComponentChildren
  wide?: boolean
  id?: string
  children: ComponentChildren
}) {
  const name = id ?? title.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return (
    <section class={`panel${wide ? ' panel-wide' : ''}`} aria-labelledby={`panel-${name}`} data-panel={name}>
      <header>
        <h2 id={`panel-${name}`}>{title}</h2>
        {action && <div class="panel-action">{action}</div>}
        {note && <p class="muted">{note}</p>}
      </header>
      <div class="panel-body">{children}</div>
    </section>
  )
}

export function Sheet({ title, onClose, children }: { title: ComponentChildren; onClose: () => void; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null)
  // Whoever opened it by keyboard is in it, and goes back to where it was opened from.
  useEffect(() => {
    const from = document.activeElement
    heading.current?.focus()
    return () => { if (from instanceof HTMLElement && from.isConnected) from.focus() }
  }, [])
  return (
    <aside class="sheet" aria-label="Details" onKeyDown={(event) => { if (event.key === 'Escape') onClose() }}>
      <header>
        <h2 tabIndex={-1} ref={heading}>{title}</h2>
        <button type="button" class="icon-button" aria-label="Close details" onClick={onClose}><Icon name="close" /></button>
      </header>
      <div class="sheet-body">{children}</div>
    </aside>
  )
}

/** Pairs of a word and what it is. */
export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {of.filter(([, it]) => it !== null && it !== undefined && it !== '' && !(Array.isArray(it) && it.length === 0)).map(([name, it]) => (
        <div key={name}><dt>{name}</dt><dd>{it}</dd></div>
      ))}
    </dl>
  )
}

export function PageHead({ title, children }: { title: string; children?: ComponentChildren }) {
  useEffect(() => { document.title = `${title} · Bartizan` }, [title])
  return <div class="page-head"><h1 tabIndex={-1}>{title}</h1>{children && <div class="page-actions">{children}</div>}</div>
}
