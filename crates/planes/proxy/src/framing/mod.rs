//! A strict reader of HTTP/1.1 framing (RFC 9112): what requests are read by.
//!
//! In: the bytes of a connection, in pieces of any size. Out: how many of them may go on, where a head ends and what
//! it announces, or the rule that was broken. The same bytes get the same verdict however they were cut.
//! Absent on purpose: sockets, time, and any attempt to mend. What two readers could frame in two ways is refused,
//! since each of them could be the next hop.

mod chunk;
mod head;
mod rule;
#[cfg(test)]
mod tests;

pub(crate) use chunk::{Chunks, Piece};
pub use head::{Body, Head, Parts, Span};
pub(crate) use head::{
    check_host, check_lookalike, check_method, check_target, check_trailer, is_field_byte, is_token, parse_length,
};
pub use rule::Rule;

use crate::limits;
use head::Lines;

/// What the reader says about the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough to judge. Keep everything and come back with more.
    More,
    /// The first `bytes` bytes are a complete, acceptable head.
    Head {
        /// Length of the head in bytes, its empty line included.
        bytes: usize,
        /// What it announces.
        head: Head,
    },
    /// The first so many bytes belong to the body and may go on.
    Body(usize),
    /// A rule is broken; nothing of what was shown may go on, and nothing after it.
    Refuse(Rule),
}

/// The next piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPiece {
    /// Not enough to judge. Keep everything and come back with more.
    More,
    /// The first so many bytes are content.
    Data(usize),
    /// The first so many bytes are framing.
    Framing(usize),
    /// The body is over, and the next request may follow.
    End,
}

/// The reader's state between two looks.
#[derive(Clone, Debug)]
pub struct Guard {
    state: State,
    parts: Parts,
}

#[derive(Clone, Debug)]
enum State {
    Head(Section, Lines),
    Length(u64),
    Chunked(Chunks),
    Trailers(Section, usize),
    /// A head asked for a protocol switch; what follows depends on the answer.
    Undecided,
    /// The protocol was switched; framing is over.
    Switched,
    Refused(Rule),
}

/// A run of lines that ends with an empty one, and how far it was looked at.
#[derive(Clone, Debug, Default)]
struct Section {
    /// Where the line being read begins.
    line: usize,
    /// Up to where no line end was found.
    seen: usize,
}

impl Section {
    /// The next complete line without its CR LF, and where it begins; `None` where it is not complete yet.
    fn next<'a>(
        &mut self,
        held: &'a [u8],
        bytes_max: usize,
        too_large: Rule,
    ) -> Result<Option<(&'a [u8], usize)>, Rule> {
        let lf = memchr::memchr(b'\n', &held[self.seen..]).map(|at| self.seen + at);
        if lf.map_or(held.len(), |lf| lf + 1) > bytes_max {
            return Err(too_large);
        }
        let Some(lf) = lf else {
            self.seen = held.len();
            return Ok(None);
        };
        let at = self.line;
        let line = &held[at..lf];
        self.line = lf + 1;
        self.seen = lf + 1;
        let Some(line) = line.strip_suffix(b"\r") else { return Err(Rule::BareLf) };
        if memchr::memchr(b'\r', line).is_some() { Err(Rule::BareCr) } else { Ok(Some((line, at))) }
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self { state: Self::start(), parts: Parts::default() }
    }
}

impl Guard {
    fn start() -> State {
        State::Head(Section::default(), Lines::default())
    }

    /// Judges `held`: everything received and not passed on yet, beginning where the last verdict ended.
    pub fn judge(&mut self, held: &[u8]) -> Verdict {
        match self.step(held) {
            Ok(verdict) => verdict,
            Err(rule) => self.refuse(rule),
        }
    }

    /// Where the parts of the head stand that was accepted last, from its first byte.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The next piece of the body, content and framing told apart; `held` as in [`Guard::judge`]. Trailers are framing: requests
    /// have no use for them.
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn body(&mut self, held: &[u8]) -> Result<BodyPiece, Rule> {
        if self.is_between() {
            return Ok(BodyPiece::End);
        }
        if held.is_empty() {
            return Ok(BodyPiece::More);
        }
        if let State::Chunked(chunks) = &mut self.state {
            return match chunks.piece(held) {
                Ok(Piece::Data(n)) => Ok(BodyPiece::Data(n)),
                Ok(Piece::Framing { bytes, last }) => {
                    if last {
                        self.state = State::Trailers(Section::default(), 0);
                    }
                    Ok(BodyPiece::Framing(bytes))
                }
                Err(rule) => {
                    self.state = State::Refused(rule);
                    Err(rule)
                }
            };
        }
        let is_content = matches!(self.state, State::Length(_));
        match self.judge(held) {
            Verdict::Body(n) if is_content => Ok(BodyPiece::Data(n)),
            Verdict::Body(n) => Ok(BodyPiece::Framing(n)),
            Verdict::Refuse(rule) => Err(rule),
            Verdict::More | Verdict::Head { .. } => Ok(BodyPiece::More),
        }
    }

    /// Refuses from outside, such as for slowness.
    pub fn refuse(&mut self, rule: Rule) -> Verdict {
        self.state = State::Refused(rule);
        Verdict::Refuse(rule)
    }

    /// Body bytes that may pass without being shown here; tell of them with [`Guard::skip`].
    pub fn opaque(&self) -> u64 {
        match &self.state {
            State::Length(left) => *left,
            State::Chunked(chunks) => chunks.opaque(),
            State::Switched => u64::MAX,
            _ => 0,
        }
    }

    /// Counts `n` bytes, at most [`Guard::opaque`], that passed without being shown.
    pub fn skip(&mut self, n: u64) {
        match &mut self.state {
            State::Length(left) if *left > n => *left -= n,
            State::Length(_) => self.state = Self::start(),
            State::Chunked(chunks) => chunks.skip(n),
            _ => {}
        }
    }

    /// Answers a head whose [`Head::upgrade`] was true. What follows is the new protocol, or the next request.
    pub fn decide(&mut self, switched: bool) {
        if matches!(self.state, State::Undecided) {
            self.state = if switched { State::Switched } else { Self::start() };
        }
    }

    /// True between two messages: a connection that ends here ends cleanly.
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::Head(..))
    }

    /// True while a protocol switch is asked for and not answered.
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// True once the protocol was switched.
    pub fn is_switched(&self) -> bool {
        matches!(self.state, State::Switched)
    }

    fn step(&mut self, held: &[u8]) -> Result<Verdict, Rule> {
        if let State::Refused(rule) = self.state {
            return Err(rule);
        }
        if held.is_empty() {
            return Ok(Verdict::More);
        }
        match &mut self.state {
            State::Head(section, lines) => {
                while let Some((line, at)) = section.next(held, limits::HEAD_BYTES_MAX, Rule::HeadTooLarge)? {
                    if !line.is_empty() {
                        lines.take(line, at, &mut self.parts)?;
                        continue;
                    }
                    if lines.is_empty() {
                        return Err(Rule::LeadingSpace);
                    }
                    let (bytes, head) = (section.line, lines.finish()?);
                    self.state = match head {
                        Head { upgrade: true, .. } => State::Undecided,
                        Head { body: Body::Length(0), .. } => Self::start(),
                        Head { body: Body::Length(length), .. } => State::Length(length),
                        Head { body: Body::Chunked, .. } => State::Chunked(Chunks::new()),
                    };
                    return Ok(Verdict::Head { bytes, head });
                }
                Ok(Verdict::More)
            }
            State::Length(left) => {
                let bytes = usize::try_from(*left).unwrap_or(usize::MAX).min(held.len());
                self.skip(bytes as u64);
                Ok(Verdict::Body(bytes))
            }
            State::Chunked(chunks) => {
                let (bytes, last) = chunks.take(held)?;
                if last {
                    self.state = State::Trailers(Section::default(), 0);
                }
                Ok(Verdict::Body(bytes))
            }
            State::Trailers(section, count) => {
                while let Some((line, _)) = section.next(held, limits::TRAILER_BYTES_MAX, Rule::TrailersTooLarge)? {
                    if line.is_empty() {
                        let bytes = section.line;
                        self.state = Self::start();
                        return Ok(Verdict::Body(bytes));
                    }
                    *count += 1;
                    if *count > limits::HEADERS_MAX {
                        return Err(Rule::TrailersTooLarge);
                    }
                    head::check_trailer(line)?;
                }
                Ok(Verdict::More)
            }
            State::Undecided => Ok(Verdict::More),
            State::Switched => Ok(Verdict::Body(held.len())),
            State::Refused(rule) => Err(*rule),
        }
    }
}
