//! `make demo`: the main job from end to end, in a home of its own that is gone afterwards.
//!
//! Starts the demo server, adds it, signs in, and talks MCP through the shim. With a display, and the app built, all
//! of it shows in the app's window (sign in as `demo` / `demo123`); without one, or with `--auto`, on the terminal,
//! where the form is filled in here.

use anyhow::Result;

mod client;
mod stage;
mod terminal;
mod window;

use stage::Stage;

#[tokio::main]
async fn main() -> Result<()> {
    let auto = std::env::args().any(|arg| arg == "--auto") || !has_display();
    let stage = Stage::new()?;
    let result = match stage.app().filter(|_| !auto) {
        Some(app) => window::play(&stage, app).await,
        None => terminal::play(&stage, auto).await,
    };
    stage.stop_host().await;
    result
}

fn has_display() -> bool {
    let named = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    named("DISPLAY") || named("WAYLAND_DISPLAY") || cfg!(any(target_os = "macos", windows))
}
