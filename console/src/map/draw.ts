// Draws the edges of the map: one curve each, whose colour says how it goes, whose width how much, and whose dashes that nothing was seen
// or that it is plain. Services themselves are elements of the page.

import type { MapEdge } from '../api/types.ts'
import { curve, type Layout, type View } from '../lib/layout.ts'
import type { Colours } from './colours.ts'

export type Pick = { kind: 'none' } | { kind: 'service'; name: string } | { kind: 'edge'; from: string; to: string }

export interface Scene {
  layout: Layout
  edges: MapEdge[]
  picked: Pick
  colours: Colours
}

/** Edges from which on they hide each other, a count. */
const MANY = 120

export const edgeTone = (edge: MapEdge): 'deny' | 'failed' | 'plain' | 'unseen' | 'allow' =>
  edge.denied_per_s > 0 ? 'deny' : edge.failed_per_s > 0 ? 'failed' : edge.mtls === 'plain' ? 'plain' : edge.mtls === 'unseen' ? 'unseen' : 'allow'

export function touches(edge: { from: string; to: string }, picked: Pick): boolean {
  if (picked.kind === 'service') return edge.from === picked.name || edge.to === picked.name
  return picked.kind === 'edge' && edge.from === picked.from && edge.to === picked.to
}

export function draw(canvas: HTMLCanvasElement, scene: Scene, view: View, density: number) {
  const context = canvas.getContext('2d')
  if (!context) return
  const { layout, colours: c, picked } = scene
  context.setTransform(1, 0, 0, 1, 0, 0)
  context.clearRect(0, 0, canvas.width, canvas.height)
  context.setTransform(view.k * density, 0, 0, view.k * density, view.x * density, view.y * density)
  const any = picked.kind !== 'none'
  // Among many, what is well stands back.
  const quiet = scene.edges.length > MANY ? 0.26 : 0.6
  // Those that matter lie on top.
  const ranks = { unseen: 0, allow: 1, plain: 2, failed: 3, deny: 4 }
  const sorted = [...scene.edges].sort((a, b) =>
    Number(touches(a, picked)) - Number(touches(b, picked)) || ranks[edgeTone(a)] - ranks[edgeTone(b)])
  for (const edge of sorted) {
    const [from, to] = [layout.places.get(edge.from), layout.places.get(edge.to)]
    if (!from || !to || edge.from === edge.to) continue
    const tone = edgeTone(edge)
    const near = touches(edge, picked)
    const points = curve(layout, from, to)
    const colour = tone === 'unseen' ? c['line-strong'] : tone === 'allow' ? (near ? c.accent : c.muted) : c[tone]
    context.globalAlpha = any && !near ? 0.12 : tone === 'allow' && !near ? quiet : tone === 'unseen' && !near ? quiet : 1
    context.strokeStyle = context.fillStyle = colour
    context.lineWidth = (1.2 + Math.min(4, Math.log10(1 + edge.calls_per_s) * 1.3)) / Math.max(0.55, Math.min(1, view.k))
    context.setLineDash(tone === 'unseen' ? [2, 6] : edge.mtls === 'plain' ? [8, 5] : edge.declared ? [] : [14, 4, 3, 4])
    context.beginPath()
    const [x0 = 0, y0 = 0] = points
    context.moveTo(x0, y0)
    for (let n = 2; n + 5 < points.length; n += 6) {
      const [ax = 0, ay = 0, bx = 0, by = 0, x = 0, y = 0] = points.slice(n, n + 6)
      context.bezierCurveTo(ax, ay, bx, by, x, y)
    }
    context.stroke()
    context.setLineDash([])
    const [fromX = 0, fromY = 0, x = 0, y = 0] = points.slice(-4)
    arrow(context, fromX, fromY, x, y, 5 + context.lineWidth)
  }
  context.globalAlpha = 1
}

function arrow(context: CanvasRenderingContext2D, fromX: number, fromY: number, x: number, y: number, size: number) {
  const angle = Math.atan2(y - fromY, x - fromX)
  context.beginPath()
  context.moveTo(x, y)
  context.lineTo(x - size * Math.cos(angle - 0.45), y - size * Math.sin(angle - 0.45))
  context.lineTo(x - size * Math.cos(angle + 0.45), y - size * Math.sin(angle + 0.45))
  context.closePath()
  context.fill()
}
