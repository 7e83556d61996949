// Chance that comes out the same each time, from a number (mulberry32): a made-up fleet looks alike in every run.

export function random(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n) => Math.floor(next() * n)
  const hex = (digits) => Array.from({ length: digits }, () => below(16).toString(16)).join('')
  return { next, below, hex, one: (of) => of[below(of.length)] }
}
