//! The words between the main window and this program, as TypeScript has them too.

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
            commands::client_entry,
            commands::clients,
            commands::details,
            commands::edit_server,
            commands::pause,
            commands::probe,
            commands::quit,
            commands::redirect,
            commands::remove_account,
            commands::remove_server,
            commands::resume,
            commands::revoke_client,
            commands::server,
            commands::servers,
            commands::set_app_settings,
            commands::show_logs,
            commands::sign_in,
            commands::sign_out,
            commands::sign_out_all,
            commands::status,
        ])
        .events(collect_events![events::ApprovalsChanged, events::Navigate, events::StatusChanged,])
        // Seconds since 1970 and counts: far below where JavaScript's numbers lose anything.
        .dangerously_cast_bigints_to_number()
        .disable_serde_phases()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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

    #[test]
    fn every_command_has_its_permission_and_the_window_has_no_other() {
        let names: &[&str] = include!("command_names.rs");
        let wanted = names.iter().map(|name| format!("allow-{}", name.replace('_', "-")));
        let events = ["core:event:allow-listen", "core:event:allow-unlisten"].map(str::to_owned);
        let wanted: Vec<String> = events.into_iter().chain(wanted).collect();
        let capability: serde_json::Value =
            serde_json::from_str(include_str!("../capabilities/main.json")).expect("JSON");
        assert_eq!(capability["permissions"], serde_json::json!(wanted));
        assert_eq!(capability["windows"], serde_json::json!([crate::window::MAIN]));
        assert!(capability.get("remote").is_none(), "no page from elsewhere may ask for anything");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("capabilities");
        assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 1);
    }
}
