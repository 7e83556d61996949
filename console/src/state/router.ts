// Which page is shown: the path and query of the address, as signals. Links are ordinary links; clicks on ours do not load anew.

import { computed, signal } from '@preact/signals'
import { at, readQuery, type Words } from '../lib/address.ts'

const here = () => ({ path: location.pathname, search: location.search })

export const address = signal(here())
export const path = computed(() => address.value.path)
export const query = computed<Words>(() => readQuery(address.value.search))

export function go(to: string, { replace = false } = {}) {
  if (to === location.pathname + location.search) return
  if (replace) history.replaceState(null, '', to)
  else history.pushState(null, '', to)
  const before = address.value.path
  address.value = here()
  if (before !== address.value.path) {
    window.scrollTo(0, 0)
    // Who listens instead of looking is told of the new page by its heading.
    requestAnimationFrame(() => document.querySelector<HTMLElement>('main h1')?.focus())
  }
}

/** The same page with other words in its query; empty ones go. */
export function ask(words: Record<string, string | null | undefined>, { replace = false } = {}) {
  go(at(address.value.path, { ...query.value, ...words }), { replace })
}

addEventListener('popstate', () => { address.value = here() })

document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
  if (link.pathname.startsWith('/api/') || (link.hash !== '' && link.pathname === location.pathname)) return
  event.preventDefault()
  go(link.pathname + link.search)
})
