// Numbers and times as people read them. Pure, so that tests can say what they come to.

const THIN = '\u202f'

/** 1234567 becomes `1 234 567`. */
export function count(n: number): string {
  if (!Number.isFinite(n)) return '–'
  return Math.round(n).toString().replace(/\B(?=(\d{3})+(?!\d))/g, THIN)
}

/** Short: 1234567 becomes `1.23 M`. */
export function short(n: number): string {
  if (!Number.isFinite(n)) return '–'
  for (const [limit, unit] of [[1e9, 'G'], [1e6, 'M'], [1e4, 'k']] as const) {
    const by = unit === 'k' ? 1e3 : limit
    if (Math.abs(n) >= limit) return `${digits(n / by)}${THIN}${unit}`
  }
  return Number.isInteger(n) ? count(n) : digits(n)
}

/** Three digits that count: 0.0123, 1.23, 12.3, 123. */
function digits(n: number): string {
  const size = Math.abs(n)
  if (size >= 100) return n.toFixed(0)
  if (size >= 10) return n.toFixed(1)
  if (size >= 1 || size === 0) return n.toFixed(2)
  return n.toPrecision(2)
}

/** Per second; what is there but small is not called nothing. */
export function rate(n: number): string {
  if (!Number.isFinite(n) || n <= 0) return '0'
  if (n < 0.1) return '<0.1'
  if (n < 10) return n.toFixed(1)
  return short(Math.round(n))
}

/** A share, 0 to 1, without rounding up to a full hundred or down to none. */
export function percent(share: number | null | undefined, fine = 2): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–'
  const hundred = share * 100
  let text = hundred.toFixed(fine)
  if (Number(text) === 100 && share < 1) text = `>${(100 - 10 ** -fine).toFixed(fine)}`
  else if (Number(text) === 0 && share > 0) text = `<${(10 ** -fine).toFixed(fine)}`
  else if (Number.isInteger(hundred)) text = hundred.toFixed(0)
  return `${text}${THIN}%`
}

export function bytes(n: number): string {
  let [size, unit] = [n, 'B']
  for (const next of ['kB', 'MB', 'GB', 'TB']) {
    if (size < 1000) break
    size /= 1000
    unit = next
  }
  return `${unit === 'B' ? count(size) : digits(size)}${THIN}${unit}`
}

/** Microseconds. */
export function micros(us: number | null | undefined): string {
  if (us === null || us === undefined || !Number.isFinite(us)) return '–'
  if (us < 1000) return `${Math.round(us)}${THIN}µs`
  if (us < 1e6) return `${digits(us / 1e3)}${THIN}ms`
  return `${digits(us / 1e6)}${THIN}s`
}

/** A stretch of time in milliseconds: `4 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function stretch(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  const two = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    small === 0 ? `${big}${THIN}${bigUnit}` : `${big}${THIN}${bigUnit} ${small}${THIN}${smallUnit}`
  if (s < 60) return `${s}${THIN}s`
  if (s < 3600) return `${Math.floor(s / 60)}${THIN}min`
  if (s < 86_400) return two(Math.floor(s / 3600), 'h', Math.floor(s % 3600 / 60), 'min')
  if (s < 86_400 * 365) return two(Math.floor(s / 86_400), 'd', s < 86_400 * 14 ? Math.floor(s % 86_400 / 3600) : 0, 'h')
  return `${(s / 86_400 / 365).toFixed(1)}${THIN}years`
}

/** `3 min ago`, `in 40 min`, `now`. */
export function ago(at: number, now: number): string {
  const by = now - at
  if (Math.abs(by) < 1500) return 'now'
  return by > 0 ? `${stretch(by)} ago` : `in ${stretch(-by)}`
}

const two = (n: number, places = 2) => n.toString().padStart(places, '0')

/** Time of day here, to the millisecond: `14:03:09.120`. */
export function clock(at: number): string {
  const d = new Date(at)
  if (Number.isNaN(d.getTime())) return '–'
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${two(d.getMilliseconds(), 3)}`
}

/** `2026-11-27 14:03:09`, in the time of this machine. */
export function moment(at: number): string {
  const d = new Date(at)
  if (Number.isNaN(d.getTime())) return '–'
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
}

/** The last part of a SPIFFE ID that people call somebody by. */
export function shortId(id: string | null | undefined): string {
  if (!id) return '–'
  const service = /^spiffe:\/\/[^/]+\/svc\/(.+)$/.exec(id)
  return service?.[1] ?? id.replace(/^spiffe:\/\//, '')
}

/** The first so many characters, with a mark where more were there. */
export function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`
}

/** What is bad of all in words: `3 of 12 000`. */
export function of(bad: number, all: number): string {
  return all > 0 ? `${count(bad)} of ${count(all)}` : count(bad)
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}
