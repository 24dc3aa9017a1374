//! `drawbridge edit`.

use http::Method;
use url::Url;

use super::client::{Client, server_path};
use super::options::{OptionArgs, glob, server_url};
use super::{output, servers, usage};
use crate::api::types::{Changes, Edited, Unset};
use crate::failure::Failure;
use crate::registry::{AccountLabel, ServerName, header};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's name
    name: ServerName,
    /// Call it something else
    #[arg(long, value_name = "NAME")]
    rename: Option<ServerName>,
    /// Give it another address
    #[arg(long, value_name = "URL", value_parser = server_url)]
    url: Option<Url>,
    /// The account that the bare name means
    #[arg(long, value_name = "LABEL")]
    default: Option<AccountLabel>,
    /// Have the sign-in window of this account keep what its pages store, so that you stay signed in there
    #[arg(long, value_name = "LABEL")]
    keep_profile: Option<AccountLabel>,
    /// Take an option back, as in `--unset scope`, `--unset header:X-Key` or `--unset allow-tool`
    #[arg(long, value_name = "OPTION", value_parser = unset)]
    unset: Vec<Unset>,
    #[command(flatten)]
    options: OptionArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    servers::check("edit", &args.options);
    let changes = Changes {
        name: args.rename,
        url: args.url.map(String::from),
        default_account: args.default,
        keep_profile: args.keep_profile,
        unset: args.unset,
        options: args.options.read()?,
    };
    if changes.is_empty() {
        usage("edit", "name something to change");
    }
    let path = server_path(&args.name);
    let edited: Edited = Client::connect().await?.ask(Method::PATCH, &path, Some(&changes)).await?;
    output::tell(&format!("Changed {}.", edited.server.name));
    if edited.secrets_dropped {
        output::tell(
            "Its stored secrets and sign-ins were dropped, because they were given for another address or a \
             stricter connection. Give them again, or sign in again.",
        );
    }
    Ok(())
}

fn unset(text: &str) -> Result<Unset, String> {
    if let Some(name) = text.strip_prefix("header:") {
        let name = header::name(name).map_err(|error| error.to_string())?;
        return Ok(Unset::Header(name.to_string()));
    }
    match text.split_once(':') {
        Some(("allow-tool", pattern)) => return Ok(Unset::AllowTool(glob(pattern)?)),
        Some(("deny-tool", pattern)) => return Ok(Unset::DenyTool(glob(pattern)?)),
        Some(("keep-profile", label)) => {
            return label.parse().map(Unset::KeepProfile).map_err(|_| format!("{label} is no account"));
        }
        Some(_) | None => {}
    }
    let text = if matches!(text, "allow-tool" | "deny-tool") { format!("{text}s") } else { text.to_owned() };
    let word = serde_json::Value::String(text.replace('-', "_"));
    serde_json::from_value(word).map_err(|_| "name an option without its dashes, or `header:NAME`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_back_by_their_names() {
        assert_eq!(unset("client-id"), Ok(Unset::ClientId));
        assert_eq!(unset("client-metadata-url"), Ok(Unset::ClientMetadataUrl));
        assert_eq!(unset("allow-http"), Ok(Unset::AllowHttp));
        assert_eq!(unset("header:X-Key"), Ok(Unset::Header("x-key".into())));
        assert_eq!(unset("allow-tool"), Ok(Unset::AllowTools));
        assert_eq!(unset("deny-tool:list_*"), Ok(Unset::DenyTool("list_*".into())));
        let home = "home".parse().expect("a label");
        assert_eq!(unset("keep-profile:home"), Ok(Unset::KeepProfile(home)));
        for bad in [
            "",
            "--scope",
            "allow-tool:",
            "header",
            "header:",
            "keep-profile",
            "keep-profile:a b",
            "name",
            "colour",
        ] {
            assert!(unset(bad).is_err(), "{bad}");
        }
    }
}
