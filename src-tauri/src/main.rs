//! The tray app of Drawbridge: it runs the Host of the library in its own process and gives it
//! windows. Whatever it does, the `drawbridge` command can do too.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

mod about;
mod app;
mod approval;
mod automation;
mod autostart;
mod bindings;
mod client_watch;
mod clipboard;
mod commands;
mod desktop;
mod events;
mod front;
mod guarded;
mod hosting;
mod menu;
mod notice;
mod notify;
#[cfg(target_os = "linux")]
mod page;
mod panel;
mod run;
#[cfg(test)]
mod sample;
mod settings;
mod sidecar;
mod sign_in;
mod signing;
mod tray;
mod unforeseen;
mod view;
mod webkit;
mod window;

fn main() -> ExitCode {
    match app::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            desktop::tell(&failure.text());
            ExitCode::from(failure.exit_code())
        }
    }
}
