//! Newline-delimited reading with a cap: a line over it is skipped, never kept whole.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

const CHUNK: usize = 64 * 1024;

/// One line, without its line break.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// As it came.
    Full(Bytes),
    /// A piece of a line that is longer than the cap; `last` ends it. The pieces are not kept.
    Piece {
        /// The bytes.
        bytes: Bytes,
        /// Whether the line ends here.
        last: bool,
    },
}

/// Reads lines of at most `cap` bytes. Cancel safe: what was read stays in the reader.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    buffer: BytesMut,
    scanned: usize,
    cap: usize,
    skipping: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Starts reading.
    pub fn new(reader: R, cap: usize) -> Self {
        Self::with_buffer(reader, cap, BytesMut::new())
    }

    /// Starts with what was read from `reader` before.
    pub fn with_buffer(reader: R, cap: usize, buffer: BytesMut) -> Self {
        Self { reader, buffer, scanned: 0, cap, skipping: false }
    }

    /// The next line that is not empty; `None` at the end of input. A last line without a line
    /// break counts.
    ///
    /// # Errors
    /// What the reader says.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            self.buffer.reserve(CHUNK);
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(self.take_rest());
            }
        }
    }

    /// A whole line that is already in the buffer.
    fn take_line(&mut self) -> Option<Line> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) else {
                self.scanned = self.buffer.len();
                return self.take_piece();
            };
            let line = self.buffer.split_to(self.scanned + end + 1).freeze();
            self.scanned = 0;
            let line = line.slice(..line.len() - 1);
            let too_long = line.len() > self.cap;
            if std::mem::take(&mut self.skipping) || too_long {
                return Some(Line::Piece { bytes: line, last: true });
            }
            let line = without_return(line);
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(Line::Full(line));
            }
        }
    }

    fn take_piece(&mut self) -> Option<Line> {
        let within_cap = if self.skipping { 0 } else { self.cap };
        if self.buffer.len() <= within_cap {
            return None;
        }
        self.skipping = true;
        self.scanned = 0;
        Some(Line::Piece { bytes: self.buffer.split().freeze(), last: false })
    }

    fn take_rest(&mut self) -> Option<Line> {
        self.scanned = 0;
        let rest = self.buffer.split().freeze();
        if std::mem::take(&mut self.skipping) {
            return Some(Line::Piece { bytes: rest, last: true });
        }
        let rest = without_return(rest);
        (!rest.iter().all(u8::is_ascii_whitespace)).then_some(Line::Full(rest))
    }
}

fn without_return(line: Bytes) -> Bytes {
    if line.last() == Some(&b'\r') { line.slice(..line.len() - 1) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines_of(input: &[u8], cap: usize) -> Vec<Line> {
        let mut reader = LineReader::new(input, cap);
        let mut lines = Vec::new();
        while let Some(line) = reader.next().await.expect("readable") {
            lines.push(line);
        }
        lines
    }

    fn full(text: &'static str) -> Line {
        Line::Full(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn lines_end_at_line_breaks_and_at_the_end() {
        let lines = lines_of(b"one\r\n\n  \ntwo\nthree", 100).await;
        assert_eq!(lines, [full("one"), full("two"), full("three")]);
    }

    #[tokio::test]
    async fn a_line_over_the_cap_comes_in_pieces_and_the_next_one_is_whole() {
        let long = "x".repeat(3 * CHUNK);
        let input = format!("{long}\nnext\n");
        let lines = lines_of(input.as_bytes(), 10).await;
        let (last, pieces) = lines.split_last().expect("lines");
        assert_eq!(last, &full("next"));
        let mut skipped = 0;
        for (index, piece) in pieces.iter().enumerate() {
            let Line::Piece { bytes, last } = piece else { panic!("a whole line") };
            skipped += bytes.len();
            assert_eq!(*last, index == pieces.len() - 1);
        }
        assert_eq!(skipped, long.len());
    }

    #[tokio::test]
    async fn an_endless_line_is_not_kept() {
        let mut reader = LineReader::new(tokio::io::repeat(b'x'), 1000);
        for _ in 0..100 {
            assert!(matches!(reader.next().await, Ok(Some(Line::Piece { last: false, .. }))));
        }
        assert!(reader.buffer.capacity() <= 4 * CHUNK);
    }
}
