// The little Markdown of our own runbooks, as a tree: headings, paragraphs, numbered and plain lists, code, emphasis, links. It becomes
// elements, never HTML in text.

import { slug } from './safe.ts'

export type Span = { kind: 'text' | 'code' | 'em'; text: string } | { kind: 'link'; text: string; to: string }
export type Block =
  | { kind: 'heading'; level: number; spans: Span[]; slug: string }
  | { kind: 'paragraph'; spans: Span[] }
  | { kind: 'list'; ordered: boolean; items: Span[][] }
  | { kind: 'code'; text: string }

export function blocks(text: string): Block[] {
  const found: Block[] = []
  for (const part of text.replace(/\r\n/g, '\n').split(/\n{2,}/)) {
    const trimmed = part.replace(/\n+$/, '')
    const heading = /^(#{1,4}) (.+)$/.exec(trimmed)
    if (trimmed.trim() === '') continue
    if (heading?.[1] && heading[2]) {
      found.push({ kind: 'heading', level: heading[1].length, spans: spans(heading[2]), slug: slug(heading[2]) })
    } else if (/^ {4}/.test(trimmed) || trimmed.startsWith('```')) {
      found.push({ kind: 'code', text: trimmed.replace(/^```\w*\n|\n?```$/g, '').replace(/^ {4}/gm, '') })
    } else if (/^(\d+\.|[-*]) /.test(trimmed)) {
      const items = trimmed.split(/\n(?=(?:\d+\.|[-*]) )/).map((it) => spans(it.replace(/^(\d+\.|[-*]) /, '').replace(/\n\s*/g, ' ')))
      found.push({ kind: 'list', ordered: /^\d/.test(trimmed), items })
    } else found.push({ kind: 'paragraph', spans: spans(trimmed.replace(/\n/g, ' ')) })
  }
  return found
}

export function spans(text: string): Span[] {
  const found: Span[] = []
  const marks = /`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)|\*([^*]+)\*/g
  let from = 0
  for (const mark of text.matchAll(marks)) {
    if (mark.index > from) found.push({ kind: 'text', text: text.slice(from, mark.index) })
    if (mark[1]) found.push({ kind: 'code', text: mark[1] })
    else if (mark[2] && mark[3]) found.push({ kind: 'link', text: mark[2], to: mark[3] })
    else if (mark[4]) found.push({ kind: 'em', text: mark[4] })
    from = mark.index + mark[0].length
  }
  if (from < text.length) found.push({ kind: 'text', text: text.slice(from) })
  return found
}
