//! What an MCP client does in each scenario.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bridge::{Answer, Bridge, answer_to_server};
use crate::options::{self, Grant, Options};
use crate::skills;

/// What the suite's authorization servers take for our client metadata document.
const CLIENT_METADATA: &str = "https://conformance-test.local/client-metadata.json";

/// The script of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Lists the tools, no more.
    ListTools,
    /// Lists the tools and calls the first.
    CallFirstTool,
    /// The same, with a client registered by hand.
    PreRegistered,
    /// The same, with a client id metadata document.
    ClientMetadata,
    /// The same, without a person.
    Unattended(Grant),
    /// Nothing may go through; the client is told why in a sentence with one of these words.
    Refused(&'static [&'static str]),
    /// Lists everything and asks for each item.
    UseEverything,
    /// Calls what the suite's context names.
    CallAsTold,
    /// Calls every tool that is left in the list.
    CallEveryTool,
    /// Sends a tool's schema back as it was read.
    EchoSchema,
    /// Calls tools that ask for input by their result.
    MultiRoundTrip,
    /// Lists skills and reads none.
    ListSkills,
    /// Loads a skill that is not what it should be; it must not be used.
    RejectSkill,
}

impl Scenario {
    /// The script for a scenario of that name.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "initialize" | "request-metadata" | "json-schema-ref-no-deref" => Self::ListTools,
            "auth/pre-registration" => Self::PreRegistered,
            "auth/basic-cimd" => Self::ClientMetadata,
            "auth/client-credentials-basic" => Self::Unattended(Grant::ClientSecret),
            "auth/client-credentials-jwt" => Self::Unattended(Grant::SigningKey),
            "auth/wif-jwt-bearer" => Self::Unattended(Grant::Workload),
            "auth/enterprise-managed-authorization" => Self::Unattended(Grant::Enterprise),
            "auth/resource-mismatch" => Self::Refused(&["is about another resource"]),
            "auth/iss-supported-missing"
            | "auth/iss-wrong-issuer"
            | "auth/iss-unexpected"
            | "auth/iss-normalized" => Self::Refused(&["did not come from"]),
            "auth/metadata-issuer-mismatch" => Self::Refused(&["says it is"]),
            // The server here says 410 once it has seen enough requests, lists of our own among them.
            "auth/scope-retry-limit" => Self::Refused(&["does not allow this", "status 410"]),
            "http-standard-headers" => Self::UseEverything,
            "http-custom-headers" => Self::CallAsTold,
            "http-invalid-tool-headers" => Self::CallEveryTool,
            "json-schema-2020-12-preservation" => Self::EchoSchema,
            "sep-2322-client-request-state" => Self::MultiRoundTrip,
            "sep-2640-client-no-prefetch" => Self::ListSkills,
            "sep-2640-client-verify-digest"
            | "sep-2640-client-verify-size"
            | "sep-2640-client-verify-frontmatter" => Self::RejectSkill,
            _ => Self::CallFirstTool,
        }
    }

    /// What the client says it can do.
    pub(crate) fn capabilities(self) -> Value {
        json!({ "elicitation": {} })
    }

    /// What `connect` is told of the server at this URL.
    pub(crate) async fn options(self, url: &str, context: &Value) -> Result<Options> {
        Ok(match self {
            Self::PreRegistered => options::client_secret(context),
            Self::ClientMetadata => options::client_metadata(CLIENT_METADATA),
            Self::Unattended(grant) => options::unattended(grant, url, context).await?,
            Self::ListTools
            | Self::CallFirstTool
            | Self::Refused(_)
            | Self::UseEverything
            | Self::CallAsTold
            | Self::CallEveryTool
            | Self::EchoSchema
            | Self::MultiRoundTrip
            | Self::ListSkills
            | Self::RejectSkill => Options::default(),
        })
    }

    /// Does it all; an error is a failure of ours.
    pub(crate) async fn play(self, bridge: &mut Bridge, context: &Value) -> Result<()> {
        let opened = bridge.open().await?;
        if let (Err(refusal), false) = (&opened, matches!(self, Self::Refused(_))) {
            bail!("the session did not open: {refusal}");
        }
        match self {
            Self::ListTools => list_tools(bridge).await.map(drop),
            Self::CallFirstTool | Self::PreRegistered | Self::ClientMetadata | Self::Unattended(_) => {
                call_first_tool(bridge).await
            }
            Self::Refused(words) => is_refused(bridge, opened, words).await,
            Self::UseEverything => use_everything(bridge).await,
            Self::CallAsTold => call_as_told(bridge, &context["toolCalls"]).await,
            Self::CallEveryTool => call_every_tool(bridge).await,
            Self::EchoSchema => echo_schema(bridge).await,
            Self::MultiRoundTrip => multi_round_trip(bridge).await,
            Self::ListSkills => skills::list(bridge).await.map(drop),
            Self::RejectSkill => reject_skill(bridge).await,
        }
    }
}

async fn list(bridge: &mut Bridge, method: &str, key: &str) -> Result<Vec<Value>> {
    let result = bridge.ask(method, json!({})).await?;
    result[key].as_array().cloned().with_context(|| format!("{method} gave no list"))
}

async fn list_tools(bridge: &mut Bridge) -> Result<Vec<Value>> {
    let tools = list(bridge, "tools/list", "tools").await?;
    if let Some(ours) = tools.iter().find(|tool| name(tool).starts_with("drawbridge_")) {
        bail!("still signed out: the list holds {}", name(ours));
    }
    Ok(tools)
}

async fn call_first_tool(bridge: &mut Bridge) -> Result<()> {
    let tools = list_tools(bridge).await?;
    let first = tools.first().context("no tools")?;
    bridge.call(name(first), arguments(first)).await.map(drop)
}

async fn call_every_tool(bridge: &mut Bridge) -> Result<()> {
    for tool in list_tools(bridge).await? {
        bridge.call(name(&tool), arguments(&tool)).await?;
    }
    Ok(())
}

/// The opening or, where that was answered in the server's stead, a call.
async fn is_refused(bridge: &mut Bridge, opened: Answer, words: &[&str]) -> Result<()> {
    let answer = match opened {
        Ok(_) => bridge.request("tools/call", json!({ "name": "test-tool", "arguments": {} })).await?,
        Err(refusal) => Err(refusal),
    };
    let Err(refusal) = answer else { bail!("it went through") };
    let is_known = words.iter().any(|word| refusal.sentence.contains(word));
    ensure!(is_known, "refused for another reason: {refusal}");
    Ok(())
}

async fn use_everything(bridge: &mut Bridge) -> Result<()> {
    call_every_tool(bridge).await?;
    for resource in list(bridge, "resources/list", "resources").await? {
        bridge.ask("resources/read", json!({ "uri": resource["uri"] })).await?;
    }
    for prompt in list(bridge, "prompts/list", "prompts").await? {
        bridge.ask("prompts/get", json!({ "name": prompt["name"] })).await?;
    }
    Ok(())
}

async fn call_as_told(bridge: &mut Bridge, calls: &Value) -> Result<()> {
    list_tools(bridge).await?;
    for call in calls.as_array().context("no calls were named")? {
        bridge.call(name(call), call["arguments"].clone()).await?;
    }
    Ok(())
}

async fn echo_schema(bridge: &mut Bridge) -> Result<()> {
    let tools = list_tools(bridge).await?;
    let focal = tools.iter().find(|tool| name(tool) == "json_schema_2020_12_tool").context("no such tool")?;
    bridge.call("json_schema_echo", json!({ "schema": focal["inputSchema"] })).await.map(drop)
}

/// Each tool is called to its end, with a call of another tool in between.
async fn multi_round_trip(bridge: &mut Bridge) -> Result<()> {
    for tool in list_tools(bridge).await? {
        let mut params = json!({ "name": tool["name"], "arguments": {} });
        let mut result = bridge.ask("tools/call", params.clone()).await?;
        while result["resultType"] == "input_required" {
            bridge.call("test_mrtr_unrelated", json!({})).await?;
            let wanted = result["inputRequests"].as_object().context("nothing is asked")?;
            let answers = wanted.iter().map(|(key, request)| {
                let method = request["method"].as_str().unwrap_or_default();
                (key.clone(), answer_to_server(method, &request["params"]))
            });
            params["inputResponses"] = Value::Object(answers.collect());
            if let Some(state) = result.get("requestState") {
                params["requestState"] = state.clone();
            }
            result = bridge.ask("tools/call", params.clone()).await?;
        }
    }
    Ok(())
}

async fn reject_skill(bridge: &mut Bridge) -> Result<()> {
    for skill in skills::list(bridge).await? {
        ensure!(skills::load(bridge, &skill).await.is_err(), "a skill was loaded that is not what it says");
    }
    Ok(())
}

fn name(item: &Value) -> &str {
    item["name"].as_str().unwrap_or_default()
}

/// Something of the right kind for every required argument.
fn arguments(tool: &Value) -> Value {
    let schema = &tool["inputSchema"];
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let filled = required.map(|name| {
        let value = match schema["properties"][name]["type"].as_str() {
            Some("number" | "integer") => json!(2),
            Some("boolean") => json!(true),
            _ => json!("north"),
        };
        (name.to_owned(), value)
    });
    Value::Object(filled.collect())
}
