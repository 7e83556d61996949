// Every page with an address that shows it full, for the tests that look at all of them.

export function PAGES(fixture) {
  const last = fixture.happenings.kept.at(-1)
  const denied = fixture.happenings.kept.findLast((it) => it.unmapped.bartizan.denial && it.unmapped.bartizan.request)
  const request = denied?.unmapped.bartizan.request ?? 'f'.repeat(32)
  const [first] = fixture.happenings.fleet.services.filter((it) => it.kind === 'service')
  const edge = fixture.happenings.fleet.edges.findLast((it) => it.from !== 'outside' && it.denied > 0) ?? fixture.happenings.fleet.edges.at(-1)
  const words = (it) => new URLSearchParams(it).toString()
  return [
    ['map', '/'],
    ['map-service', `/?${words({ service: first?.name ?? 'none' })}`],
    ['map-edge', `/?${words({ from: edge?.from ?? 'none', to: edge?.to ?? 'none' })}`],
    ['map-table', '/?view=table'],
    ['executive', '/boards/executive'],
    ['on-call', '/boards/on-call'],
    ['debug', '/boards/debug'],
    ['debug-principal', `/boards/debug?${words({ q: first?.name ?? 'none' })}`],
    ['events', '/events'],
    ['events-open', `/events?${words(last ? { outcome: 'denied,failed', open: denied.metadata.uid, at: denied.time } : { outcome: 'denied' })}`],
    ['request', `/requests/${request}`],
    ['request-why', `/requests/${request}?view=why`],
    ['policies', '/policies'],
    ['policies-reach', `/policies?${words({ service: first?.name ?? 'none' })}`],
    ['changes', '/changes'],
    ['identities', '/identities'],
    ['alerts', '/alerts'],
    ['alerts-open', '/alerts?open=budget-burns-m3'],
    ['objectives', '/objectives'],
    ['objective', '/objectives?indicator=M3&last=6h'],
    ['runbooks', '/runbooks?section=bartizanguardaway'],
    ['links', '/links'],
    ['not-found', '/nowhere'],
  ]
}
