//! `Mcp-Param-*`: which arguments of a tool call a modern server wants mirrored in headers
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#custom-headers-from-tool-parameters>).

use std::collections::HashSet;

use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

use super::header::encode_value;
use super::json;

const ANNOTATION: &str = "x-mcp-header";
const PREFIX: &str = "mcp-param-";
/// Keywords that hold one schema, or an array or map of schemas, and through which no annotation
/// may be reached.
const OTHER_SCHEMAS: [&str; 20] = [
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "$defs",
    "definitions",
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "propertyNames",
    "dependentSchemas",
    "contentSchema",
];

/// Why a tool's annotations break the specification's constraints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The schema is no JSON object, or nested beyond reason.
    #[error("its input schema cannot be read")]
    Unreadable,
    /// The name is empty or holds characters that no header name may hold.
    #[error("`{0}` is no header name")]
    Name(String),
    /// Two parameters want the same header.
    #[error("`{0}` is used twice")]
    Twice(String),
    /// The parameter is no string, integer or boolean.
    #[error("`{0}` stands on a parameter that is no string, integer or boolean")]
    Type(String),
    /// The annotation stands where no parameter is statically reachable.
    #[error("an annotation stands where it does not count")]
    Place,
}

/// The parameters of one tool that travel as headers too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolHeaders {
    parameters: Vec<(Vec<String>, HeaderName)>,
}

impl ToolHeaders {
    /// Reads a tool's definition, as it stands in a tool list.
    ///
    /// # Errors
    /// [`Invalid`] where the tool has to be left out of the list.
    pub fn of_tool(tool: &str) -> Result<Self, Invalid> {
        if memchr::memmem::find(tool.as_bytes(), ANNOTATION.as_bytes()).is_none() {
            return Ok(Self::default());
        }
        let Some(schema) = json::member(tool, "inputSchema") else { return Ok(Self::default()) };
        let schema: Value = serde_json::from_str(schema).map_err(|_| Invalid::Unreadable)?;
        let schema = schema.as_object().ok_or(Invalid::Unreadable)?;
        let mut reader = Reader::default();
        if schema.contains_key(ANNOTATION) {
            return Err(Invalid::Place);
        }
        reader.read_object(schema)?;
        Ok(reader.found)
    }

    /// The headers of one call, from the raw `arguments`. A parameter that is absent or `null`
    /// has none.
    pub fn of_call(&self, arguments: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (path, name) in &self.parameters {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            if let Some(text) = json::member_at(arguments, &path).and_then(header_text) {
                headers.insert(name.clone(), encode_value(&text));
            }
        }
        headers
    }
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    names: HashSet<HeaderName>,
    found: ToolHeaders,
}

impl Reader {
    /// Reads a schema that is reached by `properties` alone.
    fn read_object(&mut self, schema: &Map<String, Value>) -> Result<(), Invalid> {
        refuse_elsewhere(schema)?;
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
        for (key, property) in properties {
            let Some(property) = property.as_object() else { continue };
            self.path.push(key.clone());
            if let Some(annotation) = property.get(ANNOTATION) {
                self.read_annotation(annotation, property)?;
            }
            self.read_object(property)?;
            self.path.pop();
        }
        Ok(())
    }

    fn read_annotation(&mut self, annotation: &Value, property: &Map<String, Value>) -> Result<(), Invalid> {
        let text = annotation.as_str().unwrap_or_default();
        let name = (!text.is_empty()).then(|| format!("{PREFIX}{text}"));
        let name = name.and_then(|name| HeaderName::try_from(name).ok());
        let name = name.ok_or_else(|| Invalid::Name(annotation.to_string()))?;
        let is_primitive =
            matches!(property.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean"));
        if !is_primitive {
            return Err(Invalid::Type(text.to_owned()));
        }
        if !self.names.insert(name.clone()) {
            return Err(Invalid::Twice(text.to_owned()));
        }
        self.found.parameters.push((self.path.clone(), name));
        Ok(())
    }
}

/// No annotation may stand below any keyword but `properties`.
fn refuse_elsewhere(schema: &Map<String, Value>) -> Result<(), Invalid> {
    let elsewhere = OTHER_SCHEMAS.iter().filter_map(|keyword| schema.get(*keyword));
    if elsewhere.into_iter().any(holds_annotation) { Err(Invalid::Place) } else { Ok(()) }
}

/// Whether a schema, or an array or map of schemas, holds an annotation. A *property* of that
/// name is none: its value is a schema, not a header name.
fn holds_annotation(value: &Value) -> bool {
    match value {
        Value::Object(object) => {
            object.get(ANNOTATION).is_some_and(Value::is_string) || object.values().any(holds_annotation)
        }
        Value::Array(array) => array.iter().any(holds_annotation),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A value as the specification's "type conversion" writes it.
fn header_text(raw: &str) -> Option<String> {
    match raw.as_bytes().first()? {
        b'"' => json::string(raw).map(Into::into),
        b't' | b'f' => Some(raw.to_owned()),
        b'-' | b'0'..=b'9' => Some(decimal(raw)),
        _ => None,
    }
}

/// An integer in decimal, however JSON spelled it (`42.0`, `4.2e1`).
fn decimal(raw: &str) -> String {
    let plain = raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match raw.parse::<f64>() {
        Ok(number) if !plain && number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
            format!("{number:.0}")
        }
        _ => raw.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(schema: &str) -> Result<ToolHeaders, Invalid> {
        ToolHeaders::of_tool(&format!(r#"{{"name":"t","inputSchema":{schema}}}"#))
    }

    #[test]
    fn annotated_parameters_become_headers() {
        let tool = read(
            r#"{"type":"object","properties":{
                "region":{"type":"string","x-mcp-header":"Region"},
                "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"},"b":{"type":"boolean","x-mcp-header":"B"}}},
                "x-mcp-header":{"type":"string"}}}"#,
        )
        .expect("valid");
        let headers = tool.of_call(r#"{"region":"Zürich","deep":{"n":4.2e1,"b":false},"x-mcp-header":"v"}"#);
        assert_eq!(headers["mcp-param-region"], "=?base64?WsO8cmljaA==?=");
        assert_eq!(headers["mcp-param-n"], "42");
        assert_eq!(headers["mcp-param-b"], "false");
        assert_eq!(headers.len(), 3);
        assert!(tool.of_call(r#"{"region":null,"deep":1}"#).is_empty());
        assert!(tool.of_call("[]").is_empty());
    }

    #[test]
    fn every_constraint_is_kept() {
        let property = |annotation: &str, kind: &str| {
            read(&format!(r#"{{"properties":{{"a":{{"type":{kind},"x-mcp-header":{annotation}}}}}}}"#))
        };
        assert!(property(r#""Ok""#, r#""string""#).is_ok());
        for name in [r#""""#, r#""a b""#, r#""a\r\nb""#, r#""a:b""#, "5", r#""é""#] {
            assert!(matches!(property(name, r#""string""#), Err(Invalid::Name(_))), "{name}");
        }
        for kind in [r#""number""#, r#""object""#, r#""array""#, "null"] {
            assert!(matches!(property(r#""Ok""#, kind), Err(Invalid::Type(_))), "{kind}");
        }
        let twice = r#"{"properties":{"a":{"type":"string","x-mcp-header":"X"},"b":{"type":"string","x-mcp-header":"x"}}}"#;
        assert_eq!(read(twice), Err(Invalid::Twice("x".into())));
        for elsewhere in [
            r#"{"x-mcp-header":"Root"}"#,
            r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"X"}}}}"#,
            r#"{"oneOf":[{"properties":{"a":{"type":"string","x-mcp-header":"X"}}}]}"#,
            r#"{"$defs":{"a":{"type":"string","x-mcp-header":"X"}}}"#,
        ] {
            assert_eq!(read(elsewhere), Err(Invalid::Place), "{elsewhere}");
        }
    }

    #[test]
    fn tools_without_annotations_are_left_alone() {
        assert_eq!(read(r#"{"deep":[[[[]]]]}"#), Ok(ToolHeaders::default()));
        assert_eq!(ToolHeaders::of_tool(r#"{"name":"x-mcp-header"}"#), Ok(ToolHeaders::default()));
        assert_eq!(
            read(r#"{"properties":{"a":{"type":"string","default":"x-mcp-header"}}}"#),
            Ok(ToolHeaders::default())
        );
    }
}
