// An address that leads nowhere.

import { Empty } from '../parts/states.tsx'
import { PageHead } from '../parts/panel.tsx'

export function NotFound() {
  return (
    <>
      <PageHead title="No such page" />
      <Empty title="Nothing is at this address"><a href="/">To the service map</a></Empty>
    </>
  )
}
