//! The words between the main window and this program, as TypeScript has them too.

use drawbridge::api::types::Checkup;
use tauri::Wry;
use tauri_specta::{Builder, collect_commands, collect_events};

use crate::{commands, events};

/// Every command and event of the main window.
pub(crate) fn builder() -> Builder<Wry> {
    Builder::<Wry>::new()
        .commands(collect_commands![
            commands::about,
            commands::add_client,
            commands::add_server,
            commands::answer_approval,
            commands::app_settings,
            commands::approvals,
            commands::cancel_sign_in,
            commands::clients,
            commands::details,
            commands::accept_tools,
            commands::edit_server,
            commands::pause,
            commands::probe,
            commands::remove_account,
            commands::remove_server,
            commands::resume,
            commands::revoke_client,
            commands::set_app_settings,
            commands::set_proxy,
            commands::show_logs,
            commands::sign_in,
            commands::sign_out,
            commands::sign_out_all,
            commands::status,
            commands::take_redirect,
        ])
        .events(collect_events![events::ApprovalsChanged, events::StatusChanged])
        // What the sidecar prints.
        .typ::<Checkup>()
        // Seconds since 1970 and counts: far below where JavaScript's numbers lose anything.
        .dangerously_cast_bigints_to_number()
        .disable_serde_phases()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};
    use specta_typescript::Typescript;

    use super::*;

    /// Where the windows' own code reads them.
    const FILE: &str = "../ui/src/lib/backend/bindings.ts";
    /// Set to write the file anew.
    const WRITE: &str = "DRAWBRIDGE_WRITE_BINDINGS";

    #[test]
    fn the_windows_know_the_words_as_they_are_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = folder.path().join("bindings.ts");
        builder().export(Typescript::default(), &made).expect("exported");
        let now = std::fs::read_to_string(&made).expect("written");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        if std::env::var_os(WRITE).is_some() {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(&file, &now).expect("written");
        }
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(known == now, "run `{WRITE}=1 cargo test -p drawbridge-app bindings` and commit {FILE}");
    }

    /// One program, and of its words only the account is the page's choice, or that it names none.
    fn may_run_the_doctor() -> Value {
        let account = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9._-]{0,63})?";
        let one = json!(["doctor", "--json", "--", { "validator": account }]);
        let all = json!(["doctor", "--json"]);
        json!({
            "identifier": "shell:allow-spawn",
            "allow": [
                { "name": "drawbridge", "sidecar": true, "args": one },
                { "name": "./drawbridge", "sidecar": true, "args": all },
            ],
        })
    }

    /// Where the pages ask.
    const PAGES: &str = include_str!("../../ui/src/lib/backend/tauri.ts");

    #[test]
    fn every_command_is_asked_by_a_page() {
        let names: &[&str] = include!("command_names.rs");
        for name in names {
            let mut words = name.split('_');
            let first = words.next().unwrap_or_default().to_owned();
            let called = words.fold(first, |called, word| called + &word[..1].to_uppercase() + &word[1..]);
            assert!(PAGES.contains(&format!("commands.{called}(")), "nobody asks {name}");
        }
    }

    #[test]
    fn pages_get_their_scripts_from_the_app_alone_and_no_safeguard_is_off() {
        let text = include_str!("../tauri.conf.json");
        let config: Value = serde_json::from_str(text).expect("JSON");
        let security = &config["app"]["security"];
        assert_eq!(security["freezePrototype"], true);
        assert_eq!(security["csp"]["default-src"], "'none'");
        assert_eq!(security["csp"]["script-src"], "'self'");
        assert_eq!(config["app"]["withGlobalTauri"], false);
        assert!(!text.contains("dangerous") && !text.contains("unsafe-"), "a safeguard is off");
    }

    #[test]
    fn every_command_has_its_permission_and_the_window_has_no_other() {
        let names: &[&str] = include!("command_names.rs");
        let wanted = names.iter().map(|name| format!("allow-{}", name.replace('_', "-")));
        let events = ["core:event:allow-listen", "core:event:allow-unlisten"].map(str::to_owned);
        let mut wanted: Vec<Value> = events.into_iter().chain(wanted).map(Value::from).collect();
        wanted.push(may_run_the_doctor());
        let capability: Value =
            serde_json::from_str(include_str!("../capabilities/main.json")).expect("JSON");
        assert_eq!(capability["permissions"], json!(wanted));
        assert_eq!(capability["windows"], json!([crate::window::MAIN]));
        assert!(capability.get("remote").is_none(), "no page from elsewhere may ask for anything");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("capabilities");
        assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 1);
    }
}
