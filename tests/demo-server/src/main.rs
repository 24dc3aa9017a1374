//! The demo server as a program: prints where it listens and how to use it, and serves until
//! Ctrl-C.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use demo_server::{Answers, Auth, Config, DemoServer, Eras, JwtConfig, JwtKey, OAuthConfig, USERS};
use tracing_subscriber::EnvFilter;

/// An OAuth-protected MCP server to try things with.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to serve MCP and OAuth
    #[arg(long, default_value = "127.0.0.1:8808")]
    listen: SocketAddr,
    /// Where to serve the control port, on which faults are switched on
    #[arg(long)]
    control: Option<SocketAddr>,
    /// How callers may authenticate
    #[arg(long, value_delimiter = ',', default_value = "oauth")]
    auth: Vec<Strategy>,
    /// Refuse anonymous callers even where `none` is among the strategies
    #[arg(long)]
    require_auth: bool,
    /// How many seconds an access token works
    #[arg(long, default_value_t = 300)]
    token_lifetime: u64,
    /// Which protocol eras to speak
    #[arg(long, default_value = "both")]
    eras: EraChoice,
    /// How to answer requests
    #[arg(long, default_value = "sse")]
    answers: AnswerChoice,
    /// Sign JWTs with a published RSA key in place of a published secret
    #[arg(long)]
    jwt_rs256: bool,
    /// Browser origins that may call
    #[arg(long, value_delimiter = ',')]
    origins: Vec<String>,
    /// The most MCP requests a minute
    #[arg(long)]
    rate: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strategy {
    None,
    Bearer,
    ApiKey,
    Jwt,
    Oauth,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EraChoice {
    Legacy,
    Modern,
    Both,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AnswerChoice {
    Sse,
    Json,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let arguments = Arguments::parse();
    let config = arguments.config();
    let server = DemoServer::start(config.clone()).await?;
    describe(&server, &config, &mut io::stdout().lock())?;
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}

impl Arguments {
    fn config(&self) -> Config {
        let mut config = Config {
            listen: self.listen,
            control: self.control,
            auth: self.auth.iter().map(|strategy| self.strategy(*strategy)).collect(),
            require_auth: self.require_auth.then_some(true),
            eras: match self.eras {
                EraChoice::Legacy => Eras::Legacy,
                EraChoice::Modern => Eras::Modern,
                EraChoice::Both => Eras::Both,
            },
            answers: match self.answers {
                AnswerChoice::Sse => Answers::Sse,
                AnswerChoice::Json => Answers::Json,
            },
            ..Config::default()
        };
        config.limits.origins.clone_from(&self.origins);
        config.limits.rate = self.rate.map(|most| (most, Duration::from_secs(60)));
        config
    }

    fn strategy(&self, strategy: Strategy) -> Auth {
        let secrets = |kind: &str| {
            USERS.iter().map(|user| (format!("{}-{kind}", user.name), user.name.to_owned())).collect()
        };
        match strategy {
            Strategy::None => Auth::None,
            Strategy::Bearer => Auth::Bearer(secrets("token")),
            Strategy::ApiKey => Auth::ApiKey(secrets("key")),
            Strategy::Jwt if self.jwt_rs256 => {
                Auth::Jwt(JwtConfig { key: JwtKey::Rs256, ..JwtConfig::default() })
            }
            Strategy::Jwt => Auth::Jwt(JwtConfig::default()),
            Strategy::Oauth => Auth::OAuth(OAuthConfig {
                access_token_lifetime: Duration::from_secs(self.token_lifetime),
                ..OAuthConfig::default()
            }),
        }
    }
}

fn describe(server: &DemoServer, config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "MCP (Streamable HTTP)  {}", server.url())?;
    writeln!(out, "MCP (old HTTP+SSE)     {}", server.sse_url())?;
    if let Some(url) = server.control_url() {
        writeln!(out, "Control port           {url}control/stats")?;
    }
    for auth in &config.auth {
        match auth {
            Auth::None => writeln!(out, "\nNo sign-in: anybody may use the public tools.")?,
            Auth::Bearer(tokens) => {
                writeln!(out, "\nBearer tokens, for the header Authorization: Bearer …")?;
                list(out, tokens)?;
            }
            Auth::ApiKey(keys) => {
                writeln!(out, "\nAPI keys, for the header X-API-Key: …")?;
                list(out, keys)?;
            }
            Auth::Jwt(_) => {
                let day = Duration::from_secs(24 * 60 * 60);
                let token = server.control().mint_jwt("demo", None, Some(day))?;
                writeln!(out, "\nA JWT for demo, good for a day\n  {token}")?;
            }
            Auth::OAuth(_) => {
                writeln!(out, "\nOAuth: connect, and sign in as one of")?;
                for user in USERS {
                    writeln!(out, "  {} / {}", user.name, user.password)?;
                }
            }
        }
    }
    writeln!(out, "\nCtrl-C stops the server.")?;
    Ok(out.flush()?)
}

fn list(out: &mut impl Write, secrets: &[(String, String)]) -> io::Result<()> {
    secrets.iter().try_for_each(|(secret, user)| writeln!(out, "  {secret}  ({user})"))
}
