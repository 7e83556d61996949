//! Alerts: the rules that make them, as they were checked, and what is told of them.
//!
//! The engine (`crates/engines/alerts`) says what fires; the local API answers with what stands here.

use crate::event::{Class, Upshot};
use crate::indicator::Indicator;
use crate::indicators::PlaceStatus;
use crate::name::ServiceName;
use crate::on_call::{Called, Roster};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How bad it is, if it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To be known.
    Low,
    /// To be mended.
    Medium,
    /// Something fails, or somebody may be attacking.
    High,
    /// The fleet, or the evidence of what it does, is in danger.
    Critical,
}

impl Severity {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The one of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// Who has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Somebody, on a working day.
    Ticket,
    /// Somebody, now.
    Page,
}

impl Urgency {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Ticket, Self::Page];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }

    /// The one of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that control measures, for the fleet or for each service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Seconds for which a guard of a service was not heard, or has not come since control started.
    GuardSilentS,
    /// Share of a certificate's life that is left, 0 to 1, where it was not renewed.
    CertificateLeft,
    /// Share of the fleet's guards whose certificates have less than a tenth of their life left, 0 to 1.
    CertificatesRunningOut,
    /// Events lost within the last minute: in queues, by a full store, at guards.
    EventsLost,
    /// Share of what events may take that is taken, 0 to 1.
    StoreUsed,
    /// Calls of the last minutes that the gateway saw a service answer, and of which the guard of that service told nothing.
    HopsMissing,
    /// Events that belong in the ledger and are not there, since control started.
    LedgerLost,
    /// Members of the group of controls that have not answered for some seconds, a count.
    MembersAway,
    /// Kinds of snapshots that guards of a service refuse now.
    SnapshotsRefused,
    /// What a guard adds to calls, by what it may: above 1 it is over its budget for a while.
    BudgetUsed,
    /// Files that say something else than what is in force.
    Drift,
    /// Bytes that a service sent within ten minutes to places outside that it had not been to a week ago.
    NewPlacesBytes,
    /// The same within a day, where it was spread over six hours or more.
    NewPlacesSlowBytes,
    /// Keys and certificates that were to be replaced and are not, apart from identities of guards.
    RotationsOverdue,
    /// 1 where a version of a service fails more or is slower than the one beside it, which is no chance; else 0.
    VersionWorse,
    /// How far the calls of the last full hour are above what is usual at that time of the week, in standard deviations of it.
    CallsUnusual,
    /// Sign-ins refused within five minutes from one address, for one user from several, or at one service from many, in what others log.
    SignInsRefused,
    /// Things of one kind that were asked for within ten minutes by one user or address and are not its, or half of the steps where somebody counts through them.
    IdsWalked,
    /// Paths that are not there and that one address asked for within five minutes; those that only somebody asks for who searches count more.
    PathsSearched,
    /// Requests of one address within ten minutes that look like attacks by themselves.
    AttackProbes,
    /// Calls within ten minutes from one service to another that the fleet file does not declare, in what others log.
    UndeclaredCalls,
    /// Bytes that a service answered to one user or address within ten minutes, in what others log.
    SentToOneBytes,
    /// Secrets of Kubernetes that a subject read within ten minutes that had not read any of that namespace.
    SecretsRead,
    /// Commands and connections into pods within ten minutes by one subject.
    PodsEntered,
    /// Roles that may do everything, given or changed within ten minutes by one subject.
    AdminGrants,
    /// Calls of a Kubernetes API server within ten minutes by somebody without a name.
    AnonymousCalls,
    /// Tokens of service accounts that one subject asked for within ten minutes.
    TokenRequests,
}

impl Measure {
    /// Those that are found in what others log.
    pub const SUSPECTS: [Self; 11] = [
        Self::SignInsRefused,
        Self::IdsWalked,
        Self::PathsSearched,
        Self::AttackProbes,
        Self::UndeclaredCalls,
        Self::SentToOneBytes,
        Self::SecretsRead,
        Self::PodsEntered,
        Self::AdminGrants,
        Self::AnonymousCalls,
        Self::TokenRequests,
    ];

    /// Each of them.
    pub const ALL: [Self; 27] = [
        Self::GuardSilentS,
        Self::CertificateLeft,
        Self::CertificatesRunningOut,
        Self::RotationsOverdue,
        Self::VersionWorse,
        Self::EventsLost,
        Self::StoreUsed,
        Self::HopsMissing,
        Self::LedgerLost,
        Self::MembersAway,
        Self::SnapshotsRefused,
        Self::BudgetUsed,
        Self::Drift,
        Self::NewPlacesBytes,
        Self::NewPlacesSlowBytes,
        Self::CallsUnusual,
        Self::SignInsRefused,
        Self::IdsWalked,
        Self::PathsSearched,
        Self::AttackProbes,
        Self::UndeclaredCalls,
        Self::SentToOneBytes,
        Self::SecretsRead,
        Self::PodsEntered,
        Self::AdminGrants,
        Self::AnonymousCalls,
        Self::TokenRequests,
    ];

    /// The word of rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GuardSilentS => "guard_silent_s",
            Self::CertificateLeft => "certificate_left",
            Self::CertificatesRunningOut => "certificates_running_out",
            Self::RotationsOverdue => "rotations_overdue",
            Self::VersionWorse => "version_worse",
            Self::EventsLost => "events_lost",
            Self::StoreUsed => "store_used",
            Self::HopsMissing => "hops_missing",
            Self::LedgerLost => "ledger_lost",
            Self::MembersAway => "members_away",
            Self::SnapshotsRefused => "snapshots_refused",
            Self::BudgetUsed => "budget_used",
            Self::Drift => "drift",
            Self::NewPlacesBytes => "new_places_bytes",
            Self::NewPlacesSlowBytes => "new_places_slow_bytes",
            Self::CallsUnusual => "calls_unusual",
            Self::SignInsRefused => "sign_ins_refused",
            Self::IdsWalked => "ids_walked",
            Self::PathsSearched => "paths_searched",
            Self::AttackProbes => "attack_probes",
            Self::UndeclaredCalls => "undeclared_calls",
            Self::SentToOneBytes => "sent_to_one_bytes",
            Self::SecretsRead => "secrets_read",
            Self::PodsEntered => "pods_entered",
            Self::AdminGrants => "admin_grants",
            Self::AnonymousCalls => "anonymous_calls",
            Self::TokenRequests => "token_requests",
        }
    }
}

/// When a rule's alert is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// An error budget burns so fast that somebody of the rule's urgency has to know.
    Burn {
        /// Whose budget.
        indicator: Indicator,
    },
    /// A share of bad ones.
    Ratio {
        /// Of which indicator.
        indicator: Indicator,
        /// More than this, 0 to 1.
        above: f64,
        /// Where at least so many were counted.
        of_at_least: u64,
        /// In this time until now, in seconds.
        within_s: u64,
    },
    /// A count of events of one service.
    Events {
        /// Of this class; any where `None`.
        class: Option<Class>,
        /// With this outcome; any where `None`.
        outcome: Option<Upshot>,
        /// And this word of its class, such as `not_signed_in`; any where `None`.
        kind: Option<String>,
        /// So many.
        at_least: u64,
        /// In this time until now, in seconds.
        within_s: u64,
    },
    /// Something measured.
    Measured {
        /// What.
        measure: Measure,
        /// The limit.
        limit: Bound,
    },
}

/// On which side of a limit something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// More than this.
    Above(f64),
    /// Less than this.
    Below(f64),
}

impl Bound {
    /// Whether a value is on the wrong side.
    pub fn is_broken(self, value: f64) -> bool {
        match self {
            Self::Above(limit) => value > limit,
            Self::Below(limit) => value < limit,
        }
    }

    /// The limit itself.
    pub const fn limit(self) -> f64 {
        match self {
            Self::Above(limit) | Self::Below(limit) => limit,
        }
    }
}

/// One rule, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rule {
    /// Its name, unique: letters and digits.
    pub name: String,
    /// What is wrong, in a sentence; `{service}`, `{value}` and `{threshold}` stand for what they say.
    pub summary: String,
    /// Who answers for it.
    pub owner: String,
    /// How bad.
    pub severity: Severity,
    /// Who has to know.
    pub urgency: Urgency,
    /// Where it stands what to do.
    pub runbook: String,
    /// When it is there.
    pub when: Condition,
    /// For how long before somebody is told, in seconds.
    pub for_s: u64,
    /// For how long it has to be gone before it is over, in seconds.
    pub keep_s: u64,
    /// The only services that it is for; all where empty.
    pub services: Vec<ServiceName>,
    /// What is added to what it tells.
    pub labels: BTreeMap<String, String>,
    /// Whether it may be a mere consequence of a callee that is away, and is muted then.
    pub symptom: bool,
    /// Whether the service is away while it fires, so that symptoms of its callers are muted.
    pub away: bool,
    /// Names of rules that say the same of a place with less weight: muted while this one is there.
    #[serde(default)]
    pub covers: Vec<String>,
    /// For how long after a change of the service nobody is paged, in seconds: a deploy causes it for a moment.
    pub deploy_grace_s: u64,
    /// File and line; `built in` for those that come with the product.
    pub place: String,
}

impl Rule {
    /// How long before somebody is told.
    pub const fn hold(&self) -> Duration {
        Duration::from_secs(self.for_s)
    }

    /// Whether it is for this service.
    pub fn is_for(&self, service: Option<&ServiceName>) -> bool {
        self.services.is_empty() || service.is_some_and(|it| self.services.contains(it))
    }
}

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Which way.
    pub way: Way,
    /// Only this urgency; both where `None`.
    pub takes: Option<Urgency>,
    /// 1 for those who are told first, 2 for those who are told once nobody has taken notice.
    pub level: u8,
    /// Whether it is named by who is on call: then it is told what an escalation says, and nothing else.
    #[serde(default)]
    pub on_call: bool,
}

/// Which way alerts go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To an Alertmanager, by its API of version 2.
    Alertmanager {
        /// `http://HOST:PORT` or `https://HOST:PORT`, with a prefix where it has one.
        url: String,
    },
    /// To a webhook, signed as standardwebhooks.com says.
    Webhook {
        /// Where.
        url: String,
        /// File with the secret, `whsec_BASE64`, relative to the fleet file.
        secret: String,
    },
    /// By e-mail, through a relay.
    Email {
        /// To whom.
        to: Vec<String>,
        /// From whom.
        from: String,
        /// The relay that takes it.
        relay: Relay,
    },
}

/// A relay that takes mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// A DNS name or an IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is kept from others; `None` for a relay of this machine alone.
    pub tls: Option<RelayTls>,
    /// File with the roots by which it is recognised, relative to the fleet file; those of the machine where `None`.
    pub roots: Option<String>,
    /// As whom we log in; only over TLS.
    pub login: Option<RelayLogin>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayTls {
    /// Once the relay is asked for it (RFC 3207); where it does not offer it nothing is sent.
    Starttls,
    /// With the connection (RFC 8314).
    Implicit,
}

impl RelayTls {
    /// The word of the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starttls => "starttls",
            Self::Implicit => "implicit",
        }
    }
}

/// Who we are for a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayLogin {
    /// The name.
    pub user: String,
    /// File with the password, relative to the fleet file.
    pub password: String,
}

/// A time in which nobody is paged, as the fleet file says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Whose; all where empty.
    pub services: Vec<ServiceName>,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Why.
    pub why: String,
}

/// What the fleet file says of alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alerting {
    /// Folder of rules, relative to the fleet file; `None` for the rules that come with the product alone.
    pub folder: Option<String>,
    /// The rules of the folder.
    pub rules: Vec<Rule>,
    /// Folder of rules in the form of Prometheus, or one such file, relative to the fleet file.
    pub prometheus_folder: Option<String>,
    /// What is in it.
    pub prometheus: Vec<crate::prometheus_rules::Group>,
    /// Where alerts go, by name.
    pub routes: Vec<Route>,
    /// Who is on call.
    #[serde(default)]
    pub roster: Roster,
    /// When nobody is paged.
    pub maintenance: Vec<Maintenance>,
    /// Where an API like Alertmanager's is served.
    pub listen: Option<std::net::SocketAddr>,
    /// File with the bearer token of that API, relative to the fleet file.
    pub token: Option<String>,
    /// For how long a page waits for somebody to take notice, in seconds; [`ESCALATE_AFTER`] where `None`.
    pub escalate_after_s: Option<u64>,
}

/// For how long a page waits for somebody to take notice before the next level is told.
pub const ESCALATE_AFTER: Duration = Duration::from_secs(300);

/// How an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "AlertStanding")]
pub enum Standing {
    /// It is there, and not yet for long enough.
    Pending,
    /// It is there.
    Firing,
    /// It is over.
    Resolved,
}

impl Standing {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// A change that may have something to do with an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChangeNote {
    /// When.
    pub at: Timestamp,
    /// `policy`, `configuration`, `deploy`, `administrator` or `rotation`.
    pub kind: String,
    /// What, for people.
    pub what: String,
    /// Whose; `None` for the fleet.
    pub service: Option<String>,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alert {
    /// Its name, such as `a17`.
    pub id: String,
    /// The rule that made it, or the name that it came with from outside.
    pub rule: String,
    /// What is wrong.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// Who has to know.
    pub urgency: Urgency,
    /// Whose; `None` for the fleet.
    pub service: Option<String>,
    /// Where, more exactly: `fleet`, a service, `caller -> callee`.
    pub place: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it stands what to do.
    pub runbook: String,
    /// Since when it is there.
    pub since: Timestamp,
    /// When it was there last.
    pub last: Timestamp,
    /// When it was over; `None` while it is there.
    pub ended: Option<Timestamp>,
    /// How many of the same there were.
    pub count: u64,
    /// How it stands.
    pub state: Standing,
    /// One line more, for people.
    pub summary: String,
    /// What was measured.
    pub value: f64,
    /// Its limit.
    pub threshold: f64,
    /// The last changes before it, the newest first.
    pub changes: Vec<ChangeNote>,
    /// The change of its service that it began shortly after.
    pub after_change: Option<ChangeNote>,
    /// The incident that it belongs to.
    pub group: String,
    /// Labels of its rule, or those it came with.
    pub labels: BTreeMap<String, String>,
    /// Who took notice.
    pub acknowledged_by: Option<String>,
    /// What they wrote.
    pub note: Option<String>,
    /// Why nobody is told: a silence or maintenance, or a callee that is away.
    pub silenced_by: Option<String>,
    /// How many levels were told.
    pub level: u8,
    /// Who was told, where an escalation takes it: one for each level.
    #[serde(default)]
    pub called: Vec<Called>,
}

/// What whoever is told needs first: how far from what is asked, why, and what was changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The indicators where the alerts are: those that burn first.
    pub slis: Vec<Sli>,
    /// What was denied or failed most often at their services within the last hour.
    pub causes: Vec<Cause>,
    /// The last changes that concern them, the newest first.
    pub changes: Vec<ChangeNote>,
}

/// An indicator at the place of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sli {
    /// `M1` and so on.
    pub indicator: String,
    /// A few words.
    pub title: String,
    /// Whether its share is that of good ones.
    pub is_success: bool,
    /// What is asked of it there, in words.
    pub target: String,
    /// What was counted, its budget, and how fast that burns.
    #[serde(flatten)]
    pub at: PlaceStatus,
}

/// Something that was denied or failed again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The class of its events, such as `request`.
    pub class: String,
    /// The reason: the policies that denied, a failure, or the word of the class.
    pub reason: String,
    /// Who called; `None` where nobody is known.
    pub from: Option<String>,
    /// At whom.
    pub service: Option<String>,
    /// How often.
    pub count: u64,
}

/// An alert of which nobody is told, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Muted {
    /// The alert.
    pub id: String,
    /// Its rule.
    pub rule: String,
    /// Its service.
    pub service: Option<String>,
    /// Why.
    pub reason: String,
}

/// A time in which nobody is paged, from the fleet file or by command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Window {
    /// Its name; those of the fleet file have `fleet-file-N`.
    pub id: String,
    /// What an alert has to have, such as `service="ledger"`.
    pub matchers: Vec<Matcher>,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Who said so.
    pub by: String,
    /// Why.
    pub why: String,
    /// Whether tickets go on being made.
    pub pages_only: bool,
    /// Whether it counts now.
    pub active: bool,
}

/// One condition on a label of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Matcher {
    /// The label: `alertname`, `service`, `severity`, `urgency`, `owner`, `place`, or one of the rule's.
    pub name: String,
    /// What it has to be.
    pub value: String,
    /// Whether that is a regular expression, which has to fit the whole of it.
    #[serde(default)]
    pub is_regex: bool,
    /// False: what it must not be.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// `GET /v1/alerts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AlertsStatus {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// Alerts that are there, and those that ended within the last hour; the worst first.
    pub alerts: Vec<Alert>,
    /// Those of which nobody is told.
    pub muted: Vec<Muted>,
    /// The rules in force.
    pub rules: Vec<Rule>,
    /// When nobody is paged.
    pub windows: Vec<Window>,
    /// How it stands with where alerts go.
    pub routes: Vec<RouteStatus>,
    /// Alerts that could not be remembered, since there were too many.
    pub left_out: u64,
    /// When the fault of each rule was let happen last, and what came of it.
    #[serde(default)]
    pub rehearsals: Vec<Rehearsal>,
    /// Rules in the form of Prometheus.
    #[serde(default)]
    pub prometheus: Vec<PrometheusRuleStatus>,
}

/// A rule in the form of Prometheus, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PrometheusRuleStatus {
    /// Of the series that it records, or of its alerts.
    pub name: String,
    /// The group.
    pub group: String,
    /// Whether it records a series.
    pub records: bool,
    /// What it asks, in PromQL.
    pub expr: String,
    /// Who answers for it; empty for what records.
    pub owner: String,
    /// How bad it is, in the word of the rule.
    pub severity: String,
    /// Where it stands what to do.
    pub runbook: String,
    /// File and line.
    pub place: String,
    /// How many alerts of it are there, those among them that wait.
    pub alerts: usize,
    /// Why it could not be answered last.
    pub wrong: Option<String>,
}

/// When the fault of a rule was let happen last, on a clock of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rehearsal {
    /// The rule.
    pub rule: String,
    /// When; `None` where it never was, or the rule says something else since.
    pub at: Option<Timestamp>,
    /// Whether that is longer ago than [`REHEARSED_WITHIN`], or never was.
    pub overdue: bool,
    /// Seconds from the fault to the notice.
    pub told_after_s: Option<u64>,
    /// Seconds from the end of the fault to the notice that it is over.
    pub over_after_s: Option<u64>,
    /// What was not as it should be.
    pub wrong: Option<String>,
}

/// Rules that were not rehearsed for so long are named: who trusts them does not know.
pub const REHEARSED_WITHIN: Duration = Duration::from_secs(30 * 86_400);

/// How it stands with a place where alerts go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RouteStatus {
    /// Its name.
    pub name: String,
    /// What arrived there since control started.
    pub sent: u64,
    /// What did not, although it was tried again and again.
    pub failed: u64,
    /// What waits.
    pub waiting: u64,
    /// Why the last try failed; `None` where it did not.
    pub why: Option<String>,
}

/// `POST /v1/alerts/acknowledge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// The alert, or its incident.
    pub id: String,
    /// What whoever took notice wants to say.
    #[serde(default)]
    pub note: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Acknowledged {
    /// The alerts that somebody has taken notice of now.
    pub ids: Vec<String>,
}

/// `POST /v1/alerts/silence`: a time in which nobody is paged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Whose alerts; all where empty and `rule` is not there either.
    #[serde(default)]
    pub services: Vec<ServiceName>,
    /// Only of this rule.
    #[serde(default)]
    pub rule: Option<String>,
    /// For how long, in seconds from now.
    pub for_s: u64,
    /// Why.
    pub why: String,
}

/// `POST /v1/alerts/silence/end`: it is over before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndSilence {
    /// Its name.
    pub id: String,
}
