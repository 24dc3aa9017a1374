//! The demo server as its clients meet it: over HTTP, on loopback, without a pause anywhere.

mod auth;
mod control_port;
mod faults;
mod limits;
mod oauth;
mod oauth_options;
mod old_sse;
mod scripts;
mod support;
mod tools;
mod transports;
