// A time series, with a mark for every change that was made meanwhile: what changed is the first question of whoever sees a step.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import type { Change } from '../api/types.ts'
import { moment } from '../lib/format.ts'
import { at as address } from '../lib/address.ts'
import { colours, type Colours } from '../map/colours.ts'
import { isDark } from '../state/theme.ts'

export interface Line { name: string; tone: 'accent' | 'deny' | 'failed' | 'allow'; values: (number | null)[]; bars?: boolean }

interface Asked {
  /** What it shows, for who does not see it. */
  title: string
  /** Milliseconds, rising. */
  times: number[]
  lines: Line[]
  changes: Change[]
  format: (value: number) => string
  /** A line across, such as an objective. */
  goal?: number | null
  height?: number
  /** From and to on the scale; left out, what fits. */
  from?: number
  zero?: boolean
}

const MARKS: Record<string, string> = { policy: 'P', configuration: 'C', certificate: 'I', deploy: 'D', administrator: 'A', rollout: 'R' }
/** Width of the room for a mark's letter, in pixels. */
const MARK_PX = 14

export function Chart(asked: Asked) {
  const { title, times, lines, changes, format, height = 180 } = asked
  const frame = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const [width, setWidth] = useState(0)
  const dark = isDark.value
  const latest = useRef(asked)
  latest.current = asked
  const within = changes.filter((it) => times.length > 0 && it.at >= (times[0] ?? 0) && it.at <= (times.at(-1) ?? 0) + 60_000)

  useLayoutEffect(() => {
    if (!frame.current) return
    const resized = new ResizeObserver(([it]) => setWidth(Math.floor(it?.contentRect.width ?? 0)))
    resized.observe(frame.current)
    return () => resized.disconnect()
  }, [])
  const shape = lines.map((it) => `${it.name}${it.tone}${it.bars}`).join()
  useEffect(() => {
    if (!frame.current || width < 40) return
    const made = new uPlot(options(latest, width, height), data(latest.current), frame.current)
    plot.current = made
    return () => {
      made.destroy()
      plot.current = null
    }
  }, [width, height, dark, shape])
  useEffect(() => { plot.current?.setData(data(latest.current)) }, [times, lines, changes])

  const last = lines.map((it) => `${it.name} ${sayLast(it.values, format)}`).join(', ')
  return (
    <figure class="chart">
      <div ref={frame} class="chart-frame" role="img" aria-label={`${title}: ${last}`} />
      {times.length === 0 && <p class="muted chart-empty">Nothing was counted in this time.</p>}
      <figcaption>
        <ul class="chart-key">
          {lines.map((it) => <li key={it.name}><span class={`line line-${it.tone}`} aria-hidden="true" />{it.name}: <b>{sayLast(it.values, format)}</b></li>)}
          {asked.goal != null && <li><span class="line line-goal" aria-hidden="true" />asked for: {format(asked.goal)}</li>}
        </ul>
        <ChangeMarks changes={within} />
      </figcaption>
    </figure>
  )
}

/** The changes that are marked, as links: a mark on a picture cannot be reached by keyboard. */
function ChangeMarks({ changes }: { changes: Change[] }) {
  if (changes.length === 0) return <p class="muted chart-changes">No change in this time.</p>
  return (
    <ul class="chart-changes" aria-label="Changes in this time">
      {changes.slice(0, 6).map((it) => (
        <li key={`${it.at}${it.what}`}>
          <a href={changeHref(it)} title={`${moment(it.at)}: ${it.what}`}><span class="mark-letter" aria-hidden="true">{MARKS[it.kind] ?? '•'}</span>{it.what}</a>
        </li>
      ))}
      {changes.length > 6 && <li><a href="/changes">and {changes.length - 6} more</a></li>}
    </ul>
  )
}

export const changeHref = (it: Pick<Change, 'at' | 'event'>) => address('/changes', { at: String(it.at), event: it.event ?? null })

const sayLast = (values: (number | null)[], format: (it: number) => string) => {
  const it = values.findLast((value) => value !== null)
  return it === undefined || it === null ? 'nothing counted' : format(it)
}

const data = (it: Asked): uPlot.AlignedData => [it.times.map((at) => at / 1000), ...it.lines.map((line) => line.values)] as uPlot.AlignedData

function options(latest: { current: Asked }, width: number, height: number): uPlot.Options {
  const c = colours()
  const axis = { stroke: c.muted, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line, width: 1 }, font: '11px system-ui, sans-serif' }
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (_, min, max) => span(latest.current, min, max) } },
    axes: [{ ...axis, space: 64, values: (_, ticks, _axis, _space, step) => ticks.map((it, n) => tick(it * 1000, step, n === 0)) }, { ...axis, size: 64, values: (_, ticks) => ticks.map((it) => trim(latest.current.format(it))) }],
    series: [
      {},
      ...latest.current.lines.map((it): uPlot.Series => ({
        label: it.name,
        stroke: c[it.tone],
        width: it.bars ? 0 : 1.6,
        spanGaps: false,
        points: { show: it.values.filter((value) => value !== null).length < 12 && !it.bars, size: 5 },
        ...it.bars && uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.8, 24] }), fill: c[it.tone] } : {},
      })),
    ],
    hooks: { draw: [(it) => overlay(it, latest.current, c)], setCursor: [(it) => tell(it, latest.current)] },
  }
}

/** `14:05`, or the day where steps are days, or where a new one begins. */
function tick(at: number, step_s: number, first: boolean): string {
  const text = moment(at)
  const [day, time] = [text.slice(5, 10), text.slice(11, 16)]
  if (step_s >= 86_400) return day
  return time === '00:00' || (first && step_s >= 7_200) ? `${time}\n${day}` : time
}

/** `99.500 %` is `99.5 %` where there is little room. */
const trim = (text: string) => text.replace(/(\.\d*?)0+(?=\D|$)/, '$1').replace(/\.(?=\D|$)/, '')

function span(it: Asked, min: number | null, max: number | null): [number, number] {
  const values = [min ?? 0, max ?? 1, ...it.goal != null ? [it.goal] : []]
  const low = it.zero ? 0 : Math.min(...values)
  const high = Math.max(...values)
  const room = (high - low || Math.abs(high) || 1) * 0.08
  return [it.zero ? 0 : low - room, high + room]
}

function overlay(plot: uPlot, it: Asked, c: Colours) {
  const { ctx, bbox } = plot
  const density = devicePixelRatio || 1
  ctx.save()
  if (it.goal != null) {
    const y = plot.valToPos(it.goal, 'y', true)
    ctx.strokeStyle = c.ink
    ctx.setLineDash([6 * density, 4 * density])
    ctx.lineWidth = density
    ctx.beginPath()
    ctx.moveTo(bbox.left, y)
    ctx.lineTo(bbox.left + bbox.width, y)
    ctx.stroke()
  }
  ctx.setLineDash([2 * density, 3 * density])
  ctx.font = `${10 * density}px system-ui, sans-serif`
  ctx.textAlign = 'center'
  ctx.textBaseline = 'middle'
  let taken = -Infinity
  for (const change of [...it.changes].sort((a, b) => a.at - b.at)) {
    const x = plot.valToPos(change.at / 1000, 'x', true)
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.strokeStyle = c.accent
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    // One letter where several changes stand close; all of them are in the list below.
    if (x - taken < MARK_PX * density) continue
    taken = x
    const half = MARK_PX * density / 2
    ctx.fillStyle = c.accent
    ctx.fillRect(x - half, bbox.top - 1, half * 2, half * 2)
    ctx.fillStyle = c.surface
    ctx.fillText(MARKS[change.kind] ?? '•', x, bbox.top + half)
  }
  ctx.restore()
}

/** What is under the pointer, in words beside it. */
function tell(plot: uPlot, it: Asked) {
  const index = plot.cursor.idx
  const over = plot.over as HTMLElement
  if (index === null || index === undefined) {
    over.title = ''
    return
  }
  const time = it.times[index]
  const values = it.lines.map((line) => `${line.name}: ${line.values[index] == null ? 'nothing counted' : it.format(line.values[index])}`)
  const step = (it.times[1] ?? 0) - (it.times[0] ?? 0)
  const near = time === undefined ? [] : it.changes.filter((change) => Math.abs(change.at - time) <= Math.max(step, 30_000)).map((change) => `${change.kind}: ${change.what}`)
  over.title = [time === undefined ? '' : moment(time), ...values, ...near].join('\n')
}
