// Addresses that come with data: followed only where they lead to a page, never where they are a script.

/** Where a link of data may lead; `null` where it is none that is followed. */
export function safeHref(text: string | null | undefined): string | null {
  if (!text) return null
  // Browsers drop control characters and spaces from addresses before they read the scheme.
  const bare = [...text].filter((it) => it > ' ' && it !== '\u007f').join('')
  if (/^https?:\/\/[^/]/i.test(bare)) return bare
  if (/^\/(?![/\\])/.test(bare)) return bare
  return null
}

/** The name of a heading in an address, as GitHub and our own page of runbooks make it. */
export function slug(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\s-]/gu, '').trim().replace(/\s+/g, '-')
}

/** A runbook by its link: ours are pages of the console, others are where they are. `null` where there is none to follow. */
export function runbookHref(text: string | null | undefined): string | null {
  if (!text) return null
  const ours = /^(?:[\w./-]*\/)?runbooks(?:\.md)?(?:#([\w-]+))?$/.exec(text)
  if (ours) return ours[1] ? `/runbooks?section=${encodeURIComponent(ours[1].toLowerCase())}` : '/runbooks'
  if (/^#[\w-]+$/.test(text)) return `/runbooks?section=${encodeURIComponent(text.slice(1).toLowerCase())}`
  return safeHref(text)
}
