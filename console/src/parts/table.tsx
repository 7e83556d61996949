// Tables: sorted by a click on a heading, and on a phone each row a card with the headings beside its cells.

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'

export interface Column<T> {
  name: string
  /** What stands in the cell. */
  cell: (row: T) => ComponentChildren
  /** What it is sorted by; a column without is not. */
  by?: (row: T) => string | number
  number?: boolean
  /** Grows with the room there is. */
  wide?: boolean
}

interface Asked<T> {
  caption: string
  columns: Column<T>[]
  rows: T[]
  id: (row: T) => string
  first?: { column: string; down: boolean }
  /** Rows that are drawn at most; the table says how many there are beyond. */
  most?: number
}

export function Table<T>({ caption, columns, rows, id, first, most = 400 }: Asked<T>) {
  const [order, setOrder] = useState(first ?? null)
  const by = order && columns.find((it) => it.name === order.column)?.by
  const sorted = by ? [...rows].sort((a, b) => compare(by(a), by(b)) * (order.down ? -1 : 1)) : rows
  const turn = (column: string) => setOrder((it) => ({ column, down: it?.column === column ? !it.down : false }))
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((it) => {
              const sort = order?.column === it.name ? (order.down ? 'descending' : 'ascending') : undefined
              return (
                <th key={it.name} scope="col" class={cls(it)} {...sort ? { 'aria-sort': sort } : {}}>
                  {it.by
                    ? <button type="button" class="sort" onClick={() => turn(it.name)}>{it.name}<span aria-hidden="true">{sort === 'ascending' ? ' ↑' : sort ? ' ↓' : ''}</span></button>
                    : it.name}
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, most).map((row) => (
            <tr key={id(row)}>
              {columns.map((it) => <td key={it.name} class={cls(it)} data-name={it.name}>{it.cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > most && <p class="muted pad">{sorted.length - most} more are not shown here.</p>}
    </div>
  )
}

const cls = (it: { number?: boolean; wide?: boolean }) => [it.number && 'number', it.wide && 'wide'].filter(Boolean).join(' ')

const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0)
