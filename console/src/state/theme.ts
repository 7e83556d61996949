// Light or dark: as the system has it, or as somebody chose here. Kept in this browser.

import { computed, effect, signal } from '@preact/signals'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'bartizan-theme'
const dark = matchMedia('(prefers-color-scheme: dark)')
const systemIsDark = signal(dark.matches)
dark.addEventListener('change', () => { systemIsDark.value = dark.matches })

function kept(): Theme {
  try {
    const it = localStorage.getItem(KEY)
    return it === 'light' || it === 'dark' ? it : 'system'
  } catch {
    return 'system'
  }
}

export const theme = signal<Theme>(kept())
/** On paper it is always light. */
const onPaper = signal(false)
export const isDark = computed(() => !onPaper.value && (theme.value === 'system' ? systemIsDark.value : theme.value === 'dark'))
addEventListener('beforeprint', () => { onPaper.value = true })
addEventListener('afterprint', () => { onPaper.value = false })

/** What is drawn takes a moment to be drawn anew, in milliseconds. */
const REDRAW_MS = 200

export function printPage() {
  onPaper.value = true
  setTimeout(() => {
    print()
    onPaper.value = false
  }, REDRAW_MS)
}

export function choose(it: Theme) {
  theme.value = it
  try {
    localStorage.setItem(KEY, it)
  } catch { /* A browser that keeps nothing asks the system again next time. */ }
}

effect(() => { document.documentElement.dataset['theme'] = isDark.value ? 'dark' : 'light' })
