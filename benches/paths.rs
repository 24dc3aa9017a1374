//! The two paths every byte takes: reading a message's envelope, and reading events from a stream.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use drawbridge::mcp::Message;
use drawbridge::mcp::tool_headers::ToolHeaders;
use drawbridge::upstream::data_of_events;
use futures_util::FutureExt as _;

fn call(size: usize) -> Bytes {
    let argument = "x".repeat(size);
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{argument}"}}}}}}"#
    );
    line.into()
}

fn envelope(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope");
    for size in [100, 10_000, 1_000_000] {
        let line = call(size);
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_with_input(BenchmarkId::new("raw", size), &line, |bencher, line| {
            bencher.iter(|| Message::parse(black_box(line.clone())));
        });
        group.bench_with_input(BenchmarkId::new("parse and print", size), &line, |bencher, line| {
            bencher.iter(|| {
                let value: serde_json::Value = serde_json::from_slice(black_box(line)).expect("JSON");
                serde_json::to_vec(&value)
            });
        });
    }
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    for size in [100, 10_000, 1_000_000] {
        let event: Bytes = [b"id: 1\ndata: ".as_slice(), &call(size), b"\n\n"].concat().into();
        group.throughput(Throughput::Bytes(event.len() as u64));
        let chunks: Vec<Bytes> = event.chunks(16 * 1024).map(|chunk| event.slice_ref(chunk)).collect();
        group.bench_with_input(BenchmarkId::new("16 KiB reads", size), &chunks, |bencher, chunks| {
            bencher.iter(|| data_of_events(chunks.clone(), usize::MAX).now_or_never());
        });
    }
    group.finish();
}

fn tool_headers(criterion: &mut Criterion) {
    let tool = r#"{"name":"t","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#;
    criterion
        .bench_function("tool headers", |bencher| bencher.iter(|| ToolHeaders::of_tool(black_box(tool))));
}

criterion_group!(paths, envelope, events, tool_headers);
criterion_main!(paths);
