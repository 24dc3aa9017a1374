//! The shell plugin, held to what it is for: the main window runs the `drawbridge` command that lies beside this
//! program, to see whether clients can use a server. Which words it is given stands in the window's capability.

use tauri::ipc::{Invoke, InvokeBody};
use tauri::plugin::Plugin;
use tauri::{AppHandle, Context, RunEvent, Wry};

/// The command as the capability names it to look at one server, and to look at everything. The plugin allows each
/// name one list of words, so there are two ways to write the same file.
const COMMANDS: [&str; 2] = ["drawbridge", "./drawbridge"];

/// The app as it is configured, and the command known as one that belongs to it: a package brings it along, and
/// elsewhere it is built into the same folder.
pub(crate) fn context() -> Context {
    let mut context = tauri::generate_context!();
    context.config_mut().bundle.external_bin = Some(COMMANDS.map(str::to_owned).into());
    context
}

/// The plugin without the script that it would put into every page, those of sign-in services too, and without the
/// power to choose a program's folder and environment.
pub(crate) struct Sidecar(Box<dyn Plugin<Wry>>);

impl Sidecar {
    /// The plugin as it is here.
    pub(crate) fn new() -> Self {
        Self(Box::new(tauri_plugin_shell::init()))
    }
}

impl Plugin<Wry> for Sidecar {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn initialize(
        &mut self,
        app: &AppHandle,
        config: serde_json::Value,
    ) -> Result<(), Box<dyn std::error::Error>> {
        self.0.initialize(app, config)
    }

    fn on_event(&mut self, app: &AppHandle, event: &RunEvent) {
        self.0.on_event(app, event);
    }

    fn extend_api(&mut self, invoke: Invoke<Wry>) -> bool {
        if is_plain(invoke.message.payload()) {
            return self.0.extend_api(invoke);
        }
        invoke.resolver.reject("only a sidecar as it is");
        true
    }
}

/// Whether the one thing that is said of the program is that it is a sidecar.
fn is_plain(payload: &InvokeBody) -> bool {
    let InvokeBody::Json(payload) = payload else { return false };
    payload.get("options") == Some(&serde_json::json!({ "sidecar": true }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_chooses_neither_folder_nor_environment() {
        let with =
            |options| is_plain(&InvokeBody::Json(json!({ "program": COMMANDS[0], "options": options })));
        assert!(with(json!({ "sidecar": true })));
        for options in [
            json!(null),
            json!({}),
            json!({ "sidecar": false }),
            json!({ "sidecar": true, "cwd": "/tmp" }),
            json!({ "sidecar": true, "env": { "LD_PRELOAD": "/tmp/x.so" } }),
            json!({ "sidecar": true, "env": null }),
            json!({ "sidecar": true, "encoding": "raw" }),
        ] {
            assert!(!with(options.clone()), "{options}");
        }
        assert!(!is_plain(&InvokeBody::Raw(Vec::new())));
    }
}
