//! Every number of the command line and of `bartizan up`, with its unit and the reason for it.

use std::time::Duration;

/// After which time a member of a group of controls shows the others a new identity, which counts for an hour.
pub(crate) const GROUP_RENEW_AFTER: Duration = Duration::from_secs(20 * 60);
/// How long a member that leads waits before it looks again whether it may answer.
pub(crate) const GROUP_LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a member that leads no more waits for its control to end, before it begins anew.
pub(crate) const GROUP_END_WITHIN: Duration = Duration::from_secs(8);
/// How often `ca rotate --watch` asks control.
pub(crate) const ROTATION_POLL: Duration = Duration::from_millis(250);
/// How often a thing that is being started is asked whether it is ready: quick enough not to be felt.
pub(crate) const READY_POLL: Duration = Duration::from_millis(20);
/// One connection attempt to a program on loopback; anything slower is not ready.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// How long one of our own parts (control, node, sidecar, gateway) gets to become ready.
pub(crate) const PART_READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a program gets to listen: interpreters with many modules on a loaded machine need seconds.
pub(crate) const PROGRAM_READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a service that runs already (`at`) is waited for.
pub(crate) const AT_READY_WITHIN: Duration = Duration::from_secs(10);
/// Ends of one part before the fleet was ready, a count; after that the start is given up. A program that ends
/// because its neighbour is not up yet deserves a second and a third chance.
pub(crate) const START_ATTEMPTS_MAX: u32 = 3;
/// First pause before a dead part is started again.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(200);
/// Longest pause before a dead part is started again.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A part that lived this long starts with the first pause again.
pub(crate) const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(10);
/// How long a part gets to end after it was asked to; then it is killed.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(5);
/// What a guard gets beyond its time for what is under way, before it is killed.
pub(crate) const DRAIN_SLACK: Duration = Duration::from_secs(2);
/// How long the kernel gets to take away what was killed.
pub(crate) const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How often the table is drawn and control is asked.
pub(crate) const DRAW_EVERY: Duration = Duration::from_secs(1);
/// How often the summary line is printed where there is no terminal.
pub(crate) const SUMMARY_EVERY: Duration = Duration::from_secs(10);
/// How often the size of the log files is looked at.
pub(crate) const LOG_CHECK_EVERY: Duration = Duration::from_secs(10);
/// Size of a log file, in bytes, at which it becomes `<name>.log.old`: two of them per part bound the folder.
pub(crate) const LOG_BYTES_MAX: u64 = 32 << 20;
/// What is read back from the end of a log file to show why a part died, in bytes.
pub(crate) const LOG_TAIL_BYTES: u64 = 8 << 10;
/// What is shown of it, in lines: the last frames of a stack trace with its message.
pub(crate) const LOG_TAIL_LINES: usize = 12;
/// The same for a part that had been ready, in lines.
pub(crate) const LOG_TAIL_LINES_SHORT: usize = 2;
/// Process events that wait for control; further ones are dropped and counted.
pub(crate) const PROCESS_EVENTS_MAX: usize = 1024;
/// Pause before process events are offered again to a control that is away.
pub(crate) const PROCESS_EVENTS_RETRY: Duration = Duration::from_millis(500);
/// Longest `TRY` file beside a fleet file, in bytes.
pub(crate) const TRY_BYTES_MAX: usize = 16 << 10;
/// Largest certificate or signing request file read by `bartizan ca`, in bytes.
pub(crate) const CA_FILE_BYTES_MAX: usize = 64 << 10;
/// Bytes that events may take on disk under `up`: some ten million. Further ones are dropped, counted and shown; nothing is
/// deleted by itself.
pub(crate) const EVENTS_BYTES_MAX: u64 = 4 << 30;
/// Longest file with the public key of a ledger, in bytes.
pub(crate) const AUDIT_KEY_BYTES_MAX: usize = 1 << 10;
/// Longest file with a checkpoint, in bytes: the longest note that is read.
pub(crate) const AUDIT_CHECKPOINT_BYTES_MAX: usize = bartizan_audit::NOTE_BYTES_MAX;
/// Events of one page of `bartizan events --all`, a count: some 15 MiB of records.
pub(crate) const EVENTS_PAGE: u32 = 5_000;
/// How long `revoke` waits for guards to enforce it.
pub(crate) const ENFORCED_WITHIN: Duration = Duration::from_secs(3);
/// How often it looks.
pub(crate) const ENFORCED_LOOK: Duration = Duration::from_millis(25);
/// Time for control to make a join token, which takes a millisecond; the node is started without one where it may.
pub(crate) const TOKEN_WITHIN: Duration = Duration::from_secs(3);
/// What is written down of a porter, in bytes: a process id and a word.
pub(crate) const PORTER_NOTE_BYTES_MAX: usize = 256;
/// Calls into a service within the time that `cost` looks at, a count; by fewer it judges no guard.
pub(crate) const COST_SENSIBLE_CALLS_MIN: u64 = 100;
/// Longest time that `cost` looks, in seconds.
pub(crate) const COST_SECONDS_MAX: u64 = 3600;
/// Longest request to replace guards, in bytes: the names of some thousand services.
pub(crate) const UPGRADE_REQUEST_BYTES_MAX: u64 = 128 << 10;
/// Time for that request to come, once somebody has connected.
pub(crate) const UPGRADE_ASKED_WITHIN: Duration = Duration::from_secs(5);
/// How long a guard that was replaced is waited for: its own time to wind down, and its drain.
pub(crate) const RETIRED_WITHIN: Duration = Duration::from_secs(75);
/// How often it is looked whether instances were added or removed.
pub(crate) const SCALE_EVERY: Duration = Duration::from_millis(200);
/// How long a removed instance goes on: by then every caller has been told.
pub(crate) const SCALE_DOWN_PAUSE: Duration = Duration::from_secs(1);
/// How long connections of this machine are looked at, since most are short.
pub(crate) const LOOK_FOR: Duration = Duration::from_secs(1);
/// Pause between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Most callers that are listed, a count: more than anybody moves at once.
pub(crate) const LOOKED_AT_MAX: usize = 1_000;
/// Silence of plaintext after which a service may become strict.
pub(crate) const QUIET_FOR: Duration = Duration::from_secs(10);
/// How long guards may take to enforce what was reloaded.
pub(crate) const ADOPTED_WITHIN: Duration = Duration::from_secs(30);
/// Most connections of `bench`, a count: beyond, the client is what is measured.
pub(crate) const BENCH_CONNECTIONS_MAX: u64 = 1024;
/// Most requests a second that `bench` can be told to ask: more than one client asks.
pub(crate) const BENCH_RATE_MAX: u64 = 100_000;
/// Time for the fleet of `bench` to be ready, and to stop.
pub(crate) const BENCH_READY_WITHIN: Duration = Duration::from_secs(120);
/// See [`BENCH_READY_WITHIN`].
pub(crate) const BENCH_STOP_WITHIN: Duration = Duration::from_secs(30);
/// Time for one answer in `bench`; a longer one is an error.
pub(crate) const BENCH_ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What a guard may add to a call at the 99th percentile, in microseconds, where the fleet file says nothing: `bench` judges by it.
pub(crate) const BENCH_BUDGET_US: u32 = 3_000;
/// Largest file with a body for `bench`, in bytes.
pub(crate) const BENCH_BODY_BYTES_MAX: usize = 1 << 20;
/// Load before `bench` measures: connections, certificates and caches are warm after it.
pub(crate) const BENCH_WARM: Duration = Duration::from_secs(1);

/// Longest file with a private key, in bytes; a P-256 key has 250.
pub(crate) const KEY_FILE_BYTES_MAX: usize = 16 << 10;
/// Longest token that is read from standard input, in bytes: more than any gateway takes.
pub(crate) const TOKEN_INPUT_BYTES_MAX: u64 = 64 << 10;

/// Time in which the console opens once control is ready; after that `up` says nothing of it.
pub(crate) const CONSOLE_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether it has.
pub(crate) const CONSOLE_LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long `check pre-prod` waits for one answer.
pub(crate) const PRE_PROD_ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long it waits for a call in the network of a program, its process and all.
pub(crate) const PRE_PROD_INSIDE_WITHIN: Duration = Duration::from_secs(20);
/// Largest call that is made in the network of a program, in bytes.
pub(crate) const PRE_PROD_CALL_BYTES_MAX: u64 = 256 << 10;
/// Ways to a service that are tried, a count: callers, and the gateway.
pub(crate) const PRE_PROD_WAYS_MAX: usize = 8;
/// Events looked at for one question, a count.
pub(crate) const PRE_PROD_EVENTS_MAX: u32 = 200;
/// How long an event may take from a guard into the store: batches go off twice a second.
pub(crate) const PRE_PROD_TOLD_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked for.
pub(crate) const PRE_PROD_LOOK: Duration = Duration::from_millis(100);
/// How long a call that is caused by another is waited for: some are made after the answer.
pub(crate) const PRE_PROD_ON_ITS_WAY: Duration = Duration::from_secs(2);
/// How far back calls and logs count where the call just made caused none.
pub(crate) const PRE_PROD_LOOK_BACK: Duration = Duration::from_secs(15 * 60);
/// Calls of which it is asked by what they were caused, a count.
pub(crate) const PRE_PROD_TRACES_MAX: usize = 20;
