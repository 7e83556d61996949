// Where services stand on the map: callers left of callees, in columns, neighbours near each other. A plain function of names and edges,
// and the same for the same fleet, so that a map that is live does not jump.

export interface Place { name: string; x: number; y: number; column: number }
export interface Layout {
  places: Map<string, Place>
  /** Where an edge goes on its way past other services, by its ends. */
  ways: Map<string, [number, number][]>
  width: number
  height: number
  box: Box
  /** Callees below their callers instead of right of them. */
  down: boolean
}
export interface Box { width: number; height: number }

/** Size of a service on the map and the room around it, in pixels at zoom 1. */
export const BOX: Box = { width: 152, height: 46 }
const GAP_X = 68
/** The same in fleets that are large. */
const GAP_X_MANY = 46
const GAP_Y = 22
const GAP_DOWN = 46
/** More room between rows where there are few, up to so much. */
const GAP_Y_MOST = 46
/** Height that an edge takes where it passes a column, in pixels. */
const PASS = 14
/** Rounds of putting neighbours near each other; more changes little. */
const ROUNDS = 8
/** How much wider than high the map wants to be. */
const ASPECT = 1.7
/** Up to so many services edges are led round what they pass; beyond, they lie beneath. */
const LED_MOST = 60

export const way = (from: string, to: string) => `${from}\n${to}`
const isPass = (name: string) => name.startsWith('\0')

export function layout(names: string[], edges: { from: string; to: string }[], down = false): Layout {
  const known = new Set(names)
  const links = edges.filter((it) => it.from !== it.to && known.has(it.from) && known.has(it.to))
  // `along` is the way of calls, `across` the way in which services of one layer stand beside each other.
  const [along, across] = down ? [BOX.height, BOX.width] : [BOX.width, BOX.height]
  const isLed = names.length <= LED_MOST
  const gapAlong = down ? GAP_DOWN : isLed ? GAP_X : GAP_X_MANY
  // Layers do not fill their columns, so that what is asked for comes out wider.
  const aspect = isLed ? ASPECT : ASPECT * 0.85
  const rows = Math.max(down ? 2 : 5, Math.ceil(Math.sqrt(names.length * (along + gapAlong) / ((across + GAP_Y) * aspect))))
  const found = (isLed ? layers : steps)([...names].sort(), links)
  const led = isLed ? lead(found, links) : { layers: found, links }
  const sorted = order(led.layers, led.links)
  const columns = isLed ? sorted.filter((it) => it.length > 0) : split(sorted, rows)
  const most = Math.max(1, ...columns.map((it) => it.length))
  const gap = most <= 10 && !down ? Math.max(GAP_Y, GAP_Y_MOST - most * 3) : GAP_Y
  const tall = (name: string) => (isPass(name) ? PASS : across)
  const sizes = columns.map((it) => it.reduce((sum, name) => sum + tall(name) + gap, -gap))
  const size = Math.max(across, ...sizes)
  const places = new Map<string, Place>()
  const passes = new Map<string, [number, number]>()
  columns.forEach((column, index) => {
    const a = index * (along + gapAlong)
    // Short columns stand in the middle of the tall ones, spread a little.
    const spare = (size - (sizes[index] ?? 0)) / (column.length + 1) * 0.5
    let c = (size - (sizes[index] ?? 0) - spare * (column.length - 1)) / 2
    for (const name of column) {
      if (isPass(name)) passes.set(name, [a, c + PASS / 2])
      else places.set(name, { name, x: Math.round(down ? c : a), y: Math.round(down ? a : c), column: index })
      c += tall(name) + gap + spare
    }
  })
  const ways = new Map<string, [number, number][]>()
  for (const { from, to } of links) {
    const those = Array.from({ length: columns.length }, (_, n) => passes.get(pass(from, to, n))).filter((it) => it !== undefined)
    if (those.length > 0) ways.set(way(from, to), those.flatMap(([a, c]): [number, number][] => [[a, c], [a + along, c]]))
  }
  const length = columns.length * (along + gapAlong) - gapAlong
  return { places, ways, width: down ? size : Math.max(BOX.width, length), height: down ? Math.max(BOX.height, length) : size, box: BOX, down }
}

const pass = (from: string, to: string, layer: number) => `\0${from}\n${to}\n${layer}`

/** Where an edge leads over layers between, it gets a place of its own in each of them. */
function lead(found: string[][], links: { from: string; to: string }[]) {
  const at = new Map(found.flatMap((layer, index) => layer.map((name) => [name, index] as const)))
  const layersNow = found.map((it) => [...it])
  const parts: { from: string; to: string }[] = []
  for (const { from, to } of links) {
    const [first, last] = [at.get(from) ?? 0, at.get(to) ?? 0]
    let before = from
    for (let layer = first + 1; layer < last; layer++) {
      const name = pass(from, to, layer)
      layersNow[layer]?.push(name)
      parts.push({ from: before, to: name })
      before = name
    }
    parts.push({ from: before, to })
  }
  return { layers: layersNow, links: parts }
}

/** The longest way from where calls begin; what goes in a circle counts once. */
function layers(names: string[], links: { from: string; to: string }[]): string[][] {
  const calls = new Map<string, string[]>(names.map((it) => [it, []]))
  for (const { from, to } of links) calls.get(from)?.push(to)
  const back = circles(names, calls)
  const ahead = (from: string) => (calls.get(from) ?? []).filter((to) => !back.has(`${from}\n${to}`))
  const waits = new Map<string, number>(names.map((it) => [it, 0]))
  for (const from of names) for (const to of ahead(from)) waits.set(to, (waits.get(to) ?? 0) + 1)
  const depth = new Map<string, number>()
  let ready = names.filter((it) => waits.get(it) === 0)
  while (ready.length > 0) {
    const next: string[] = []
    for (const from of ready) {
      const here = depth.get(from) ?? 0
      depth.set(from, here)
      for (const to of ahead(from)) {
        depth.set(to, Math.max(depth.get(to) ?? 0, here + 1))
        const left = (waits.get(to) ?? 1) - 1
        waits.set(to, left)
        if (left === 0) next.push(to)
      }
    }
    ready = next
  }
  const found: string[][] = []
  for (const name of names) (found[depth.get(name) ?? 0] ??= []).push(name)
  return Array.from(found, (it) => it ?? [])
}

/** The shortest way from where calls begin: fewer layers, and tall ones, which are split. What nobody calls from there stands last. */
function steps(names: string[], links: { from: string; to: string }[]): string[][] {
  const called = new Set(links.map((it) => it.to))
  const calls = new Map<string, string[]>()
  for (const { from, to } of links) calls.set(from, [...calls.get(from) ?? [], to])
  const seen = new Set<string>()
  const found: string[][] = []
  let next = names.filter((it) => !called.has(it) && calls.has(it))
  while (next.length > 0) {
    for (const it of next) seen.add(it)
    found.push(next)
    next = [...new Set(next.flatMap((it) => calls.get(it) ?? []))].filter((it) => !seen.has(it)).sort()
  }
  const rest = names.filter((it) => !seen.has(it))
  return rest.length > 0 ? [...found, rest] : found
}

/** Edges that lead back to where a walk came from. */
function circles(names: string[], calls: Map<string, string[]>): Set<string> {
  const back = new Set<string>()
  const state = new Map<string, 'open' | 'done'>()
  for (const start of names) {
    if (state.has(start)) continue
    const walk: { name: string; next: number }[] = [{ name: start, next: 0 }]
    state.set(start, 'open')
    for (let top = walk.at(-1); top; top = walk.at(-1)) {
      const to = calls.get(top.name)?.[top.next++]
      if (to === undefined) {
        state.set(top.name, 'done')
        walk.pop()
      } else if (state.get(to) === 'open') back.add(`${top.name}\n${to}`)
      else if (!state.has(to)) {
        state.set(to, 'open')
        walk.push({ name: to, next: 0 })
      }
    }
  }
  return back
}

/** Within each layer by the middle of the neighbours, back and forth (Sugiyama's barycentres). */
function order(found: string[][], links: { from: string; to: string }[]): string[][] {
  const near = new Map<string, string[]>()
  for (const { from, to } of links) {
    near.set(from, [...near.get(from) ?? [], to])
    near.set(to, [...near.get(to) ?? [], from])
  }
  const at = new Map<string, number>()
  const number = (layer: string[]) => layer.forEach((name, row) => at.set(name, (row + 0.5) / layer.length))
  found.forEach(number)
  const sorted = found.map((it) => [...it])
  for (let round = 0; round < ROUNDS; round++) {
    const layersNow = round % 2 === 0 ? sorted : [...sorted].reverse()
    for (const layer of layersNow) {
      const weight = new Map(layer.map((name) => {
        const those = near.get(name) ?? []
        const sum = those.reduce((total, it) => total + (at.get(it) ?? 0.5), 0)
        return [name, those.length === 0 ? 2 : sum / those.length] as const
      }))
      layer.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0) || (a < b ? -1 : 1))
      number(layer)
    }
  }
  return sorted
}

/** No column is taller than `rows`. */
function split(found: string[][], rows: number): string[][] {
  const columns: string[][] = []
  for (const layer of found) {
    if (layer.length === 0) continue
    const parts = Math.ceil(layer.length / rows)
    for (let part = 0; part < parts; part++) {
      columns.push(layer.slice(Math.floor(part * layer.length / parts), Math.floor((part + 1) * layer.length / parts)))
    }
  }
  return columns
}

/** How to see all of it in a window, with a margin: pixels of the window = map * k + (x, y). */
export interface View { k: number; x: number; y: number }

export const ZOOM_MIN = 0.08
export const ZOOM_MAX = 2.5

export function fit(size: { width: number; height: number }, window: { width: number; height: number }, margin = 28): View {
  const room = { width: Math.max(40, window.width - 2 * margin), height: Math.max(40, window.height - 2 * margin) }
  const k = clamp(Math.min(room.width / size.width, room.height / size.height, 1.15), ZOOM_MIN, ZOOM_MAX)
  return { k, x: (window.width - size.width * k) / 2, y: (window.height - size.height * k) / 2 }
}

/** Nearer or farther, with the point under the pointer staying where it is. */
export function zoom(view: View, by: number, px: number, py: number): View {
  const k = clamp(view.k * by, ZOOM_MIN, ZOOM_MAX)
  const ratio = k / view.k
  return { k, x: px - (px - view.x) * ratio, y: py - (py - view.y) * ratio }
}

const clamp = (n: number, min: number, max: number) => Math.min(max, Math.max(min, n))

/**
 * The curve of an edge from where its caller ends to where its callee begins, past what lies between; round the back where it
 * leads back. A start, then Bézier pieces of six numbers each.
 */
export function curve(layoutOf: Layout, from: Place, to: Place): number[] {
  const { box, down } = layoutOf
  // Reckoned as if calls went to the right, and turned where they go down.
  const turn = (points: number[]) => (down ? points.map((_, n) => points[n ^ 1] ?? 0) : points)
  const ends = ({ x, y }: Place) => (down ? { a: y, mid: x + box.width / 2 } : { a: x, mid: y + box.height / 2 })
  const [begin, end] = [ends(from), ends(to)]
  const [a1, c1, c2] = [begin.a + (down ? box.height : box.width), begin.mid, end.mid]
  if (end.a > begin.a) {
    const points: [number, number][] = [[a1, c1], ...layoutOf.ways.get(way(from.name, to.name)) ?? [], [end.a, c2]]
    const found: number[] = [a1, c1]
    for (let n = 1; n < points.length; n++) {
      const [[ax, ay], [bx, by]] = [points[n - 1] ?? [0, 0], points[n] ?? [0, 0]]
      const bend = ay === by ? (bx - ax) / 3 : Math.max(24, (bx - ax) / 2)
      found.push(ax + bend, ay, bx - bend, by, bx, by)
    }
    return turn(found)
  }
  const out = 48
  if (end.a === begin.a) return turn([a1, c1, a1 + out, c1, a1 + out, c2, a1, c2])
  return turn([a1, c1, a1 + out * 1.6, c1 - out, end.a - out * 1.6, c2 - out, end.a, c2])
}

/** The distance of a point to a curve, by its chords. */
export function distance(points: number[], px: number, py: number): number {
  let best = Infinity
  const steps = 16
  for (let piece = 0; 2 + piece * 6 + 5 < points.length; piece++) {
    const p = points.slice(piece * 6, piece * 6 + 8)
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0, x2 = 0, y2 = 0, x3 = 0, y3 = 0] = p
    let [ax, ay] = [x0, y0]
    for (let i = 1; i <= steps; i++) {
      const t = i / steps
      const u = 1 - t
      const bx = u * u * u * x0 + 3 * u * u * t * x1 + 3 * u * t * t * x2 + t * t * t * x3
      const by = u * u * u * y0 + 3 * u * u * t * y1 + 3 * u * t * t * y2 + t * t * t * y3
      const [dx, dy] = [bx - ax, by - ay]
      const length = dx * dx + dy * dy
      const along = length === 0 ? 0 : clamp(((px - ax) * dx + (py - ay) * dy) / length, 0, 1)
      best = Math.min(best, Math.hypot(px - ax - along * dx, py - ay - along * dy))
      ;[ax, ay] = [bx, by]
    }
  }
  return best
}
