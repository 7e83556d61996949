// What control answers, as far as the pages read it. Times are milliseconds since 1970.

export type Millis = number
export type Role = 'viewer' | 'operator' | 'administrator'

export interface SignInState { first_run: boolean; people: boolean; fleet: string }

export interface Me { name: string; role: Role; way: 'link' | 'password' | 'socket'; until: Millis; csrf: string }

// The map.

export type ServiceKind = 'service' | 'gateway' | 'outside' | 'unguarded'
export type Mtls = 'strict' | 'permissive' | 'plain' | 'unseen'

export interface MapService {
  name: string
  kind: ServiceKind
  owner?: string | null
  data?: string[]
  protocol?: string | null
  attached?: boolean
  freshness?: string | null
  instances?: number
  calls_per_s: number
  denied_per_s: number
  failed_per_s: number
  added_p99_us?: number | null
  svid_not_after?: Millis | null
  firing?: number | string[] | null
}

export interface MapEdge {
  from: string
  to: string
  declared: boolean
  calls_per_s: number
  denied_per_s: number
  failed_per_s: number
  calls: number
  denied: number
  failed: number
  mtls: Mtls
  group?: string | null
  suite?: string | null
  last?: Millis | null
}

export interface FleetMap { now: Millis; services: MapService[]; edges: MapEdge[] }

// Status.

export type Epochs = Record<string, number>

export interface ProxyStatus {
  service: string
  number: number
  id: string
  owner?: string | null
  data?: string[]
  attached: boolean
  version?: string | null
  freshness?: string | null
  last_heard?: Millis | null
  svid_not_after?: Millis | null
  held: Epochs
  refused: Record<string, string>
  calls: number
  denied: number
  failed: number
  handshakes: { attempted: number; completed: number; failed: Record<string, number> }
  mtls?: string
  added_p99_us?: number | null
}

export interface EdgeTls { from: string | null; to: string; group: string; suite: string; handshakes: number; last: Millis }

export interface EgressDestination {
  service: string
  host?: string | null
  addresses: string[]
  port: number
  protocol: string
  first_seen: Millis
  last_seen: Millis
  used: boolean
  passed: number
  failed: number
  refused: number
  refusal?: string | null
  learned: boolean
  bytes_up: number
  bytes_down: number
}

export interface Status {
  fleet: string
  trust_domain: string
  mode: string
  now: Millis
  control: {
    started_at: Millis
    version: string
    svid_not_after: Millis
    issuing_not_after: Millis
    root_not_after: Millis
    handshakes: { attempted: number; completed: number; failed: Record<string, number> }
  }
  epochs: Epochs
  proxies: ProxyStatus[]
  nodes?: { name: string; attached: boolean; last_heard: Millis; held: Epochs; refused: Record<string, string> }[]
  store: { offered: number; stored: number; known: number; lost: Record<string, number>; waiting: number; reason?: string | null }
  events?: { events: number; bytes: number; oldest_at?: Millis | null }
  clocks?: { of: string; ahead_s: number }[]
  drift?: { since: Millis; what: string[] } | null
  tls?: EdgeTls[]
  over_budget?: { service: string; added_p99_us: number; budget_us: number }[]
  egress?: { programs: number; forced: number; told: number; new: EgressDestination[] }
  unguarded?: { service: string; data: string[] }[]
}

// Indicators.

export interface WindowStatus { seconds: number; bad: number; all: number; share: number | null; interval: [number, number] | null }
export interface BudgetStatus { bad_max: number; window_s?: number; allowed: number; used: number; left: number | null }
export interface BurnStatus {
  long_s: number
  short_s: number
  limit: number
  rate: number | null
  doubt: number
  urgency: string
  alight: boolean
}
export interface PlaceStatus {
  place: string
  windows: WindowStatus[]
  /** What is asked here, where that is another than everywhere. */
  target?: string | null
  budget: BudgetStatus | null
  burns: BurnStatus[]
  trend: number | null
  standing: 'met' | 'missed' | null
}
export interface IndicatorStatus {
  id: string
  title: string
  numerator: string
  denominator: string | null
  target: string
  has_source: boolean
  is_success: boolean
  places: PlaceStatus[]
}
export interface Indicators { now: Millis; since: Millis; left_out: number; indicators: IndicatorStatus[] }

export interface SeriesPoint { at: Millis; bad: number; all: number }
export interface Series { now: Millis; indicator: string; place: string; step_s: number; points: SeriesPoint[] }

// What changed, who reaches whom, policies.

export type ChangeKind = 'policy' | 'configuration' | 'certificate' | 'deploy' | 'administrator' | 'rollout'
export interface Change {
  at: Millis
  kind: ChangeKind
  what: string
  actor?: string | null
  service?: string | null
  epoch?: number | null
  event?: string | null
}
export interface Changes {
  now: Millis
  changes: Change[]
  /** Until when to ask for those before them. */
  next_until_ms?: Millis | null
}

export interface ReachPolicy { policy: string; file: string; line: number; routes: string[] }
export interface ReachEdge { peer: string; policies: ReachPolicy[]; forbidding: ReachPolicy[] }
export interface Reach { service: string; in: ReachEdge[]; out: ReachEdge[] }

export interface PolicyStatus {
  id: string
  file: string
  line: number
  permit: boolean
  declared: boolean
  enforced_by: string[]
  missing: string[]
  /** It is tried out: asked, and not enforced. */
  shadow?: boolean
  predicted?: { policy: string; from: string; to: string; verdict: 'allow' | 'deny'; calls: number }[]
}
export interface Policies { epoch: number; mode: string; policies: PolicyStatus[] }

export interface ExpiryItem { what: string; name: string; since: Millis; due: Millis | null; at: Millis; renewed_by: string; in_danger: boolean; breaks: string }
export interface Expiry { now: Millis; items: ExpiryItem[] }

export interface Issued { at: Millis; kind: string; id: string; serial: string; key: string; node: string | null; not_after: Millis; issuer: string }
export interface IssuedList { issued: Issued[]; waiting?: number; database?: string | null }

export interface CaStatus {
  now: Millis
  roots: { sha256: string; not_before: Millis; not_after: Millis }[]
  issuing: { sha256: string; not_before: Millis; not_after: Millis } | null
  root_key: string
  rotation: unknown
}

export interface DenyEntry { subject: unknown; reason?: string; at?: Millis; by?: string }
export interface DenyList { entries: DenyEntry[] }

export interface EgressStatus {
  now: Millis
  services: { service: string; path: string | null; rules: unknown }[]
  destinations: EgressDestination[]
}

// Alerts and objectives.

export type Severity = 'critical' | 'high' | 'medium' | 'low'
/** A change that may have something to do with an alert. */
export interface ChangeNote { at: Millis; kind: string; what: string; service?: string | null }
export interface Alert {
  id: string
  rule: string
  title: string
  severity: Severity
  urgency: 'page' | 'ticket'
  service?: string | null
  place?: string
  owner?: string | null
  runbook?: string | null
  since: Millis
  last?: Millis | null
  ended?: Millis | null
  count?: number
  state: 'firing' | 'pending' | 'resolved'
  summary?: string | null
  value?: number | null
  threshold?: number | null
  changes?: ChangeNote[]
  after_change?: ChangeNote | null
  group?: string | null
  labels?: Record<string, string>
  acknowledged_by?: string | null
  called?: Called[]
  note?: string | null
  silenced_by?: string | null
}
export interface Called { escalation: string; level: number; rotation?: string | null; who?: string | null; routes: string[]; at: Millis }
export interface Shift { who: string; routes: string[]; from: Millis; until: Millis; is_override: boolean }
export interface EscalationLevel { level: number; rotation?: string | null; who?: string | null; routes: string[]; after_s: number }
export interface OnCall {
  at: Millis
  rotations: { name: string; shifts: Shift[] }[]
  escalations: { name: string; takes: string; levels: EscalationLevel[] }[]
}
export interface Muted { id: string; rule: string; service?: string | null; reason: string }
export interface Matcher { name: string; value: string; is_regex?: boolean; is_equal?: boolean }
export interface QuietWindow { id: string; matchers?: Matcher[]; from: Millis; until: Millis; by: string; why: string; pages_only?: boolean; active?: boolean }
export interface Rule { name: string; summary: string; owner: string; severity: Severity; urgency: string; runbook: string; place?: string; services?: string[] }
export interface RouteStatus { name: string; sent: number; failed: number; waiting: number; why?: string | null }
export interface Alerts {
  now: Millis
  alerts: Alert[]
  muted?: Muted[]
  rules?: Rule[]
  windows?: QuietWindow[]
  routes?: RouteStatus[]
  left_out?: number
}

export interface Objective {
  indicator: string
  place: string
  target: string
  window_s: number
  when_nothing?: string
  owner: string
  why: string
  expires: Millis
  locks_promotion?: boolean
  line?: number
  counts: boolean
}
export interface PromotionLock { indicator: string; place: string; cause: 'exhausted' | 'burning'; value: number; since: Millis; version: Millis | null; text: string }
export interface Promotion { locked: boolean; locks: PromotionLock[]; overridden: { by: string; why: string; from: Millis; until: Millis } | null; versions: Millis[] }
export interface ObjectivesStatus { now: Millis; file: string | null; objectives: Objective[]; promotion?: Promotion | null }
export interface Candidate { target: string; in_force: boolean; pages: number; tickets: number; left: number | null }
export interface Advice { of: { indicator: string; place: string; candidates: Candidate[] }[] }

export interface ConsoleSession { session: string; name: string; role: Role; way: string; began: Millis; seen: Millis; until: Millis; address: string; agent: string }

// Events: OCSF records, of which we read what stands here and show all of.

export interface Ocsf {
  time: Millis
  class_name?: string
  activity_name?: string
  severity?: string
  status?: string
  message?: string
  status_detail?: string
  http_request?: { http_method?: string; url?: { path?: string } }
  http_response?: { code?: number }
  trace?: { span?: { uid?: string; parent_uid?: string } }
  tls?: { version?: string; cipher?: string }
  metadata?: { uid?: string }
  unmapped?: { bartizan?: Ours }
  [more: string]: unknown
}
export interface Ours {
  kind?: string
  service?: string | null
  seen_by?: string
  request?: string | null
  peer?: string | null
  to?: string | null
  decision?: string | null
  reason?: string | null
  policies?: string[]
  epoch?: number | null
  owner?: string | null
  data?: string[]
  version?: string | null
  image?: string | null
  denial?: boolean
  took_us?: number
  added_us?: number
  [more: string]: unknown
}

// One request.

export interface TraceStep {
  depth: number
  at: Millis
  service: string | null
  seen_by: string
  took_us: number | null
  added_us: number | null
  event: Ocsf
}
export interface Trace { request: string; steps: TraceStep[] }

export interface Hop {
  at: Millis
  service: string | null
  seen_by: string
  from: string | null
  to: string | null
  action: string | null
  method: string
  path: string
  route: string | null
  status: number | null
  error: string | null
  decision: {
    verdict: string
    reason: string | null
    policies: string[]
    lines: string[]
    epoch: number
    epoch_is_current: boolean
  } | null
  took_us: number
  added_us: number | null
}
export interface Explanation { request: string; hops: Hop[] }
