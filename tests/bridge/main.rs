//! The built shim and the built Host against a real server: what a client sees.

mod authorization_servers;
mod changes;
mod connect;
mod default_home;
mod eras;
mod eras_modern;
mod eras_versions;
mod faults;
mod grants;
mod hostile;
mod leaks;
mod many_servers;
mod modern;
mod no_sign_in;
mod peers;
mod permission;
mod restart;
mod rotation;
mod security;
mod sign_in;
mod stand_in;
mod stand_in_modern;
mod support;
mod tls;
mod tool_rules;
mod transparent;
