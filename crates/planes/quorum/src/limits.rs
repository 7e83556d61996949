//! Limits of a group, each with its unit and the reason for the number.

use std::time::Duration;

/// A leader says at least so often that it is there. Far above the time of a flush, so that a slow disk costs no leader its place.
pub const HEARTBEAT: Duration = Duration::from_millis(150);
/// Who hears no leader for this time, and up to as much again, asks for votes.
pub const ELECTION: Duration = Duration::from_millis(1_500);
/// A leader answers for so long after a majority answered it: less than two thirds of the above.
pub const LEASE: Duration = Duration::from_millis(900);
/// How often the clock is looked at.
pub const TICK: Duration = Duration::from_millis(25);
/// Questions and letters that wait for the driver, a count; callers wait beyond that.
pub const QUEUE_MAX: usize = 1_024;
/// Of these, as many share one flush of the disk, a count.
pub const BATCH_MAX: usize = 128;
/// Bytes of entries that are gathered for one flush, from which on none is added: with the longest message behind it is still read.
pub const CHANGE_BYTES: usize = 4 << 20;
/// Letters that wait for one of the others, a count; further ones are thrown away, since all of them are sent again.
pub const LETTERS_MAX: usize = 64;
/// Size of the log in bytes from which on the state is written down and the log begun anew.
pub const LOG_BYTES: u64 = 64 << 20;
/// Longest frame between members, in bytes: the largest state, and a message.
pub const FRAME_BYTES_MAX: usize = bartizan_replica::limits::STATE_BYTES_MAX + (1 << 20);
/// Longest hello in bytes.
pub const HELLO_BYTES_MAX: usize = 1 << 10;
/// Time to reach one of the others.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Time for the handshake with one of the others, and for its hello.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Time to get a letter out; the largest state over a slow network.
pub const SEND_WITHIN: Duration = Duration::from_secs(60);
/// Silence of one of the others after which a connection from it is closed: it says something ten times as often.
pub const SILENCE: Duration = Duration::from_secs(30);
/// Pause before one of the others is dialled again.
pub const DIAL_PAUSE: Duration = Duration::from_millis(200);
/// Connections from the others at once, a count: two each, so that a new one finds room beside one that is dead and not known to be.
pub const CONNECTIONS_MAX: usize = 2 * bartizan_consensus::limits::MEMBERS_MAX;
/// Bytes of a file that are compared, and sent, as one: a page of a database.
pub const BLOCK_BYTES: usize = 4 << 10;
/// Bytes of what changes in a folder that go into one entry: well below the longest.
pub const PART_BYTES: usize = 1 << 20;
/// Bytes of a folder that a group keeps: half of the largest state, since both are in memory while one is written.
pub const FOLDER_BYTES_MAX: usize = bartizan_replica::limits::STATE_BYTES_MAX / 2;
/// How often a folder is read anew at once, where a file was missed that is there: it was being replaced.
pub const READ_AGAIN_MAX: usize = 8;
/// How often the folder of a leader is read where nobody asks for it: what is lost with a leader that nobody was told of.
pub const SWEEP: Duration = Duration::from_secs(1);
/// Files in a folder that a group keeps, a count.
pub const FILES_MAX: usize = 10_000;
/// Longest path of such a file in bytes.
pub const PATH_BYTES_MAX: usize = 1 << 10;
/// Longest file of a group's key in bytes: a certificate and a key are below 2 KiB.
pub const KEY_FILE_BYTES_MAX: usize = 64 << 10;
