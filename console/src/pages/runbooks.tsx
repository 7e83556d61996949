// The runbooks of the manual, in the console itself: whoever is woken needs no other address.

import { useEffect } from 'preact/hooks'
import text from '../../../docs/manual/runbooks.md?raw'
import { at } from '../lib/address.ts'
import { blocks, type Block, type Span } from '../lib/markdown.ts'
import { PageHead } from '../parts/panel.tsx'
import { query } from '../state/router.ts'

const BOOK = blocks(text)
const HEADINGS = BOOK.filter((it): it is Extract<Block, { kind: 'heading' }> => it.kind === 'heading' && it.level === 2)

export function Runbooks() {
  const section = query.value['section'] ?? null
  useEffect(() => {
    const it = section && document.getElementById(`rb-${section}`)
    if (it) {
      it.scrollIntoView({ block: 'start' })
      it.focus({ preventScroll: true })
    }
  }, [section])
  return (
    <>
      <PageHead title="Runbooks" />
      <div class="runbooks">
        <nav aria-label="Sections"><ul class="plain-list">{HEADINGS.map((it) => <li key={it.slug}><a href={at('/runbooks', { section: it.slug })} {...it.slug === section ? { 'aria-current': 'true' as const } : {}}>{it.spans.map((one) => one.text)}</a></li>)}</ul></nav>
        <article class="prose">
          {section && !HEADINGS.some((it) => it.slug === section) && <p class="banner banner-warn" role="status">There is no runbook of this name here.</p>}
          {BOOK.filter((it) => !(it.kind === 'heading' && it.level === 1)).map((it, index) => <BlockView key={index} it={it} picked={section} />)}
        </article>
      </div>
    </>
  )
}

function BlockView({ it, picked }: { it: Block; picked: string | null }) {
  if (it.kind === 'heading') return <h2 id={`rb-${it.slug}`} tabIndex={-1} class={it.slug === picked ? 'picked' : ''}><Spans of={it.spans} /></h2>
  if (it.kind === 'code') return <pre tabIndex={0}><code>{it.text}</code></pre>
  if (it.kind === 'list') {
    const items = it.items.map((one, index) => <li key={index}><Spans of={one} /></li>)
    return it.ordered ? <ol>{items}</ol> : <ul>{items}</ul>
  }
  return <p><Spans of={it.spans} /></p>
}

/** Links of the manual lead to its other pages, which are not here: their names stay. */
function Spans({ of }: { of: Span[] }) {
  return <>{of.map((it, index) => (it.kind === 'code' ? <code key={index}>{it.text}</code> : it.kind === 'em' ? <em key={index}>{it.text}</em> : it.text))}</>
}
