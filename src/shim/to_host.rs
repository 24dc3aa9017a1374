//! What waits to be written to the Host, in order: what has not got there when the Host goes is taken back.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::endpoint::frame;

/// Lines on their way to the Host.
#[derive(Debug, Default)]
pub(super) struct ToHost {
    lines: VecDeque<Framed>,
    /// How much of the first line is written.
    written: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Framed {
    order: u64,
    line: Bytes,
    frame: Bytes,
}

impl ToHost {
    /// Adds a message; `order` is its place among all that the client sent.
    pub(super) fn put(&mut self, order: u64, line: Bytes) {
        let mut frame = BytesMut::new();
        frame::put_message(&mut frame, &line);
        self.bytes += frame.len();
        self.lines.push_back(Framed { order, line, frame: frame.freeze() });
    }

    /// Takes back every message that was not written whole.
    pub(super) fn take_back(&mut self) -> Vec<(u64, Bytes)> {
        let Self { lines, .. } = std::mem::take(self);
        lines.into_iter().map(|framed| (framed.order, framed.line)).collect()
    }
}

impl Buf for ToHost {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.lines.front().map_or(&[], |first| &first.frame[self.written..])
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, framed) in slices.iter_mut().zip(&self.lines) {
            let from = if filled == 0 { self.written } else { 0 };
            *slice = IoSlice::new(&framed.frame[from..]);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, count: usize) {
        self.bytes -= count;
        self.written += count;
        while let Some(first) = self.lines.front().filter(|first| first.frame.len() <= self.written) {
            self.written -= first.frame.len();
            self.lines.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(lines: &[&'static str]) -> ToHost {
        let mut to_host = ToHost::default();
        for (order, line) in (1..).zip(lines) {
            to_host.put(order, Bytes::from_static(line.as_bytes()));
        }
        to_host
    }

    #[test]
    fn lines_are_written_in_order_however_they_are_cut() {
        for step in 1..9 {
            let mut to_host = put(&["one", "two", "three"]);
            let mut written = Vec::new();
            while to_host.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 2];
                let filled = to_host.chunks_vectored(&mut slices);
                let all: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
                assert!(all.starts_with(to_host.chunk()));
                let taken = step.min(all.len());
                written.extend_from_slice(&all[..taken]);
                to_host.advance(taken);
            }
            assert_eq!(written, b"Mone\nMtwo\nMthree\n", "in steps of {step}");
        }
    }

    #[test]
    fn what_was_not_written_whole_is_taken_back() {
        let mut to_host = put(&["one", "two", "three"]);
        to_host.advance(7);
        let rest = to_host.take_back();
        assert_eq!(rest, [(2, Bytes::from_static(b"two")), (3, Bytes::from_static(b"three"))]);
        assert!(!to_host.has_remaining());
    }
}
