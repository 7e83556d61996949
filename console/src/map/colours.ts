// The colours of the page, for what is drawn on a canvas.

const NAMES = ['line', 'line-strong', 'ink', 'muted', 'allow', 'deny', 'failed', 'plain', 'accent', 'surface', 'canvas'] as const

export type Colours = Record<(typeof NAMES)[number], string>

export function colours(): Colours {
  const style = getComputedStyle(document.documentElement)
  return Object.fromEntries(NAMES.map((it) => [it, style.getPropertyValue(`--${it}`).trim()])) as Colours
}
