// The map itself: services as buttons on one layer that moves as a whole, edges on a canvas beneath. Dragged, zoomed by wheel, pinch, keys
// and buttons; arrow keys go from service to service.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { FleetMap, MapService } from '../api/types.ts'
import { plural, rate } from '../lib/format.ts'
import { curve, distance, fit, layout as place, zoom, type Layout, type View } from '../lib/layout.ts'
import { Icon } from '../parts/icons.tsx'
import { isDark } from '../state/theme.ts'
import { colours } from './colours.ts'
import { draw, type Pick, type Scene } from './draw.ts'

/** Pixels from a curve within which a click means it. */
const NEAR_PX = 9
/** Below this zoom services show their name alone. */
const FAR = 0.62

export const firingOf = (it: MapService) => (Array.isArray(it.firing) ? it.firing.length : it.firing ?? 0)

export function serviceTone(it: MapService): string {
  if (it.kind === 'outside') return 'outside'
  if (it.kind === 'unguarded') return 'plain'
  if (it.attached === false) return 'away'
  if (it.denied_per_s > 0) return 'deny'
  return it.failed_per_s > 0 ? 'failed' : 'allow'
}

export function Stage({ map, picked, onPick }: { map: FleetMap; picked: Pick; onPick: (it: Pick) => void }) {
  const frame = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const layer = useRef<HTMLDivElement>(null)
  const shape = map.services.map((it) => it.name).join('\n') + '\n\n' + map.edges.map((it) => `${it.from}\n${it.to}`).join('\n')
  // Only a fleet of other services or edges is laid out anew: numbers alone move nothing.
  const down = useNarrow()
  const plan: Layout = useMemo(() => place(map.services.map((it) => it.name), map.edges, down), [shape, down])
  const scene = useRef<Scene>({ layout: plan, edges: map.edges, picked, colours: colours() })
  const camera = useCamera(frame, canvas, layer, scene, plan)
  const dark = isDark.value

  useLayoutEffect(() => {
    scene.current = { layout: plan, edges: map.edges, picked, colours: colours() }
    camera.redraw()
  }, [map, plan, picked, dark])

  const pickedName = picked.kind === 'service' ? picked.name : null
  useEffect(() => {
    // The panel that opens takes room: after that.
    const later = setTimeout(() => { if (pickedName !== null) camera.near(plan.places.get(pickedName)) }, 60)
    return () => clearTimeout(later)
  }, [pickedName, plan])

  const click = (event: MouseEvent) => {
    if (camera.dragged() || !(event.target === canvas.current || event.target === layer.current || event.target === frame.current)) return
    const box = frame.current?.getBoundingClientRect()
    if (!box) return
    const view = camera.view()
    const [x, y] = [(event.clientX - box.left - view.x) / view.k, (event.clientY - box.top - view.y) / view.k]
    let [best, found] = [NEAR_PX / view.k, null as { from: string; to: string } | null]
    for (const edge of map.edges) {
      const [from, to] = [plan.places.get(edge.from), plan.places.get(edge.to)]
      if (!from || !to || edge.from === edge.to) continue
      const far = distance(curve(plan, from, to), x, y)
      if (far < best) [best, found] = [far, edge]
    }
    onPick(found ? { kind: 'edge', from: found.from, to: found.to } : { kind: 'none' })
  }

  const keys = (event: KeyboardEvent) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    if (move) {
      event.preventDefault()
      if (event.shiftKey) camera.pan(-(move[0] ?? 0) * 80, -(move[1] ?? 0) * 80)
      else step(plan, layer.current, move[0] ?? 0, move[1] ?? 0, camera)
    } else if (event.key === '+' || event.key === '=') camera.nearer(1.25)
    else if (event.key === '-') camera.nearer(0.8)
    else if (event.key === '0') camera.all()
    else if (event.key === 'Escape') onPick({ kind: 'none' })
  }

  return (
    <div class="stage" ref={frame} onClick={click} onKeyDown={keys} role="group" aria-label="Service map. Arrow keys go between services, plus and minus zoom, 0 shows all, Enter opens a service. The table view has the same in rows.">
      <canvas ref={canvas} aria-hidden="true" />
      <div class="stage-layer" ref={layer}>
        {map.services.map((it, index) => <Service key={it.name} it={it} plan={plan} picked={picked} first={index === 0} onPick={onPick} map={map} />)}
      </div>
      <div class="stage-tools">
        <button type="button" class="icon-button" aria-label="Nearer" onClick={() => camera.nearer(1.25)}><Icon name="plus" /></button>
        <button type="button" class="icon-button" aria-label="Farther" onClick={() => camera.nearer(0.8)}><Icon name="minus" /></button>
        <button type="button" class="icon-button" aria-label="Show all" onClick={() => camera.all()}><Icon name="fit" /></button>
      </div>
    </div>
  )
}

function Service({ it, plan, picked, first, onPick, map }: {
  it: MapService
  plan: Layout
  picked: Pick
  first: boolean
  onPick: (it: Pick) => void
  map: FleetMap
}) {
  const spot = plan.places.get(it.name)
  if (!spot) return null
  const tone = serviceTone(it)
  const firing = firingOf(it)
  const on = picked.kind === 'service' && picked.name === it.name
  const near = on || picked.kind === 'none'
    || (picked.kind === 'edge' ? picked.from === it.name || picked.to === it.name
      : map.edges.some((edge) => (edge.from === picked.name && edge.to === it.name) || (edge.to === picked.name && edge.from === it.name)))
  const words = { outside: 'clients outside the fleet', plain: 'without a guard', away: 'guard not heard', deny: 'denies now', failed: 'fails now', allow: 'well' }[tone]
  return (
    <button
      type="button"
      class={`service tone-${tone}${on ? ' picked' : ''}${near ? '' : ' dim'}`}
      style={{ transform: `translate(${spot.x}px, ${spot.y}px)`, width: `${plan.box.width}px`, height: `${plan.box.height}px` }}
      tabIndex={first ? 0 : -1}
      data-service={it.name}
      aria-pressed={on}
      title={it.name}
      onClick={() => onPick(on ? { kind: 'none' } : { kind: 'service', name: it.name })}
      onFocus={(event) => {
        layer(event.currentTarget)?.querySelectorAll('[tabindex="0"]').forEach((other) => other.setAttribute('tabindex', '-1'))
        event.currentTarget.setAttribute('tabindex', '0')
      }}
    >
      <span class="service-name"><Icon name={tone === 'deny' ? 'deny' : tone === 'failed' || tone === 'away' ? 'failed' : tone === 'plain' ? 'plain' : tone === 'outside' ? 'right' : 'lock'} size={13} />{it.name}</span>
      <span class="hidden">, {it.kind}, {words}{firing ? `, ${plural(firing, 'alert')}` : ''}, </span>
      <span class="service-rates">
        {tone === 'outside' ? 'clients' : `${rate(it.calls_per_s)}/s`}
        {it.denied_per_s > 0 && <b class="text-deny"> {rate(it.denied_per_s)} denied</b>}
        {it.failed_per_s > 0 && <b class="text-failed"> {rate(it.failed_per_s)} failed</b>}
        {tone === 'away' && <b class="text-failed"> away</b>}
      </span>
      {firing > 0 && <span class="service-firing" aria-hidden="true" title={plural(firing, 'alert')}>{firing}</span>}
    </button>
  )
}

const layer = (it: Element) => it.closest('.stage-layer')

/** In a hand calls go down instead of to the right. */
function useNarrow(): boolean {
  const narrow = useMemo(() => matchMedia('(max-width: 720px)'), [])
  const [is, set] = useState(narrow.matches)
  useEffect(() => {
    const changed = () => set(narrow.matches)
    narrow.addEventListener('change', changed)
    return () => narrow.removeEventListener('change', changed)
  }, [])
  return is
}

/** To the nearest service in a direction. */
function step(plan: Layout, layerOf: HTMLElement | null, dx: number, dy: number, camera: Camera) {
  const here = document.activeElement?.getAttribute('data-service') ?? null
  const from = here === null ? undefined : plan.places.get(here)
  if (!from) {
    layerOf?.querySelector<HTMLElement>('[tabindex="0"]')?.focus()
    return
  }
  let [best, found] = [Infinity, null as string | null]
  for (const it of plan.places.values()) {
    const along = (it.x - from.x) * dx + (it.y - from.y) * dy
    if (along <= 1) continue
    const aside = Math.abs((it.x - from.x) * dy) + Math.abs((it.y - from.y) * dx)
    if (along + aside * 2 < best) [best, found] = [along + aside * 2, it.name]
  }
  if (found === null) return
  const next = [...layerOf?.children ?? []].find((it) => it.getAttribute('data-service') === found)
  if (next instanceof HTMLElement) {
    next.focus({ preventScroll: true })
    camera.show(plan.places.get(found))
  }
}

interface Camera {
  view: () => View
  redraw: () => void
  pan: (dx: number, dy: number) => void
  nearer: (by: number) => void
  all: () => void
  show: (it: { x: number; y: number } | undefined) => void
  near: (it: { x: number; y: number } | undefined) => void
  dragged: () => boolean
}

/** What part of the map is seen. Lives outside of what is rendered: moving draws one frame and renders nothing. */
function useCamera(
  frame: { current: HTMLDivElement | null },
  canvas: { current: HTMLCanvasElement | null },
  layerOf: { current: HTMLDivElement | null },
  scene: { current: Scene },
  plan: Layout,
): Camera {
  const state = useRef({ view: { k: 1, x: 0, y: 0 } as View, asked: 0, touched: false, moved: 0, planned: plan })
  const it = useMemo<Camera>(() => {
    const apply = () => {
      state.current.asked = 0
      const { view } = state.current
      if (!frame.current || !canvas.current || !layerOf.current) return
      layerOf.current.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.k})`
      frame.current.classList.toggle('far', view.k < FAR)
      const density = Math.min(2, devicePixelRatio || 1)
      const { clientWidth, clientHeight } = frame.current
      const [width, height] = [Math.round(clientWidth * density), Math.round(clientHeight * density)]
      if (canvas.current.width !== width || canvas.current.height !== height) Object.assign(canvas.current, { width, height })
      draw(canvas.current, scene.current, view, density)
    }
    const redraw = () => { state.current.asked ||= requestAnimationFrame(apply) }
    const set = (view: View, byHand: boolean) => {
      state.current.view = view
      state.current.touched ||= byHand
      redraw()
    }
    const room = () => ({ width: frame.current?.clientWidth ?? 1, height: frame.current?.clientHeight ?? 1 })
    return {
      view: () => state.current.view,
      redraw,
      pan: (dx, dy) => set({ ...state.current.view, x: state.current.view.x + dx, y: state.current.view.y + dy }, true),
      nearer: (by) => set(zoom(state.current.view, by, room().width / 2, room().height / 2), true),
      all: () => {
        set(fit(scene.current.layout, room()), false)
        state.current.touched = false
      },
      show: (spot) => {
        if (!spot) return
        const { view } = state.current
        const { box } = scene.current.layout
        const [x, y] = [spot.x * view.k + view.x, spot.y * view.k + view.y]
        const { width, height } = room()
        const [dx, dy] = [Math.max(20 - x, Math.min(0, width - 20 - box.width * view.k - x)), Math.max(20 - y, Math.min(0, height - 20 - box.height * view.k - y))]
        if (dx !== 0 || dy !== 0) set({ ...view, x: view.x + dx, y: view.y + dy }, true)
      },
      near: (spot) => {
        // Who picks one of many wants to read it.
        if (!spot || state.current.view.k >= FAR || scene.current.layout.places.size <= 60) return it.show(spot)
        const { box } = scene.current.layout
        const k = 0.85
        set({ k, x: room().width / 2 - (spot.x + box.width / 2) * k, y: room().height / 2 - (spot.y + box.height / 2) * k }, true)
      },
      dragged: () => state.current.moved > 4,
    }
  }, [])

  useEffect(() => {
    const stage = frame.current
    if (!stage) return
    it.all()
    const resized = new ResizeObserver(() => { if (state.current.touched) it.redraw(); else it.all() })
    resized.observe(stage)
    const wheel = (event: WheelEvent) => {
      event.preventDefault()
      const box = stage.getBoundingClientRect()
      const by = Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.06 : event.ctrlKey ? 0.01 : 0.0016))
      state.current.view = zoom(state.current.view, by, event.clientX - box.left, event.clientY - box.top)
      state.current.touched = true
      it.redraw()
    }
    stage.addEventListener('wheel', wheel, { passive: false })
    const fingers = new Map<number, { x: number; y: number }>()
    const down = (event: PointerEvent) => {
      if (event.button !== 0 || (event.target instanceof Element && event.target.closest('.stage-tools'))) return
      if (fingers.size === 0) state.current.moved = 0
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY })
    }
    const move = (event: PointerEvent) => {
      const before = fingers.get(event.pointerId)
      if (!before) return
      const [dx, dy] = [event.clientX - before.x, event.clientY - before.y]
      const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at)
      const other = others[0]
      state.current.moved += Math.abs(dx) + Math.abs(dy)
      if (state.current.moved > 4 && !stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId)
      if (other) {
        const box = stage.getBoundingClientRect()
        const by = Math.hypot(event.clientX - other.x, event.clientY - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y))
        state.current.view = zoom(state.current.view, by, (event.clientX + other.x) / 2 - box.left, (event.clientY + other.y) / 2 - box.top)
        it.pan(dx / 2, dy / 2)
      } else if (state.current.moved > 4) it.pan(dx, dy)
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY })
    }
    const up = (event: PointerEvent) => fingers.delete(event.pointerId)
    stage.addEventListener('pointerdown', down)
    stage.addEventListener('pointermove', move)
    stage.addEventListener('pointerup', up)
    stage.addEventListener('pointercancel', up)
    return () => {
      resized.disconnect()
      stage.removeEventListener('wheel', wheel)
      stage.removeEventListener('pointerdown', down)
      stage.removeEventListener('pointermove', move)
      stage.removeEventListener('pointerup', up)
      stage.removeEventListener('pointercancel', up)
    }
  }, [])

  useEffect(() => {
    if (state.current.planned === plan) return
    state.current.planned = plan
    it.all()
  }, [plan])
  return it
}
