//! Which scopes a sign-in asks for: the specification's selection, with the user's word first.

/// Separate, distinct scopes in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<String>);

/// More scopes than anybody reads before allowing them; a server that lists more is asked for the first ones.
const MOST: usize = 200;

/// Asks for a refresh token (OpenID Connect Core §11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

impl Scopes {
    /// Splits a `scope` value at spaces; characters outside RFC 6749's scope-token are dropped with their scope.
    pub fn parse(text: &str) -> Self {
        text.split_ascii_whitespace().collect()
    }

    /// The value of a `scope` parameter; `None` when there is none to send.
    pub fn param(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join(" "))
    }

    /// Each scope.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// These, then the other ones.
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// Those that are not among the others.
    pub fn without(&self, others: &Self) -> Self {
        self.iter().filter(|scope| !others.contains(scope)).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this scope is among them.
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|known| known == scope)
    }
}

impl<T: AsRef<str>> FromIterator<T> for Scopes {
    fn from_iter<I: IntoIterator<Item = T>>(scopes: I) -> Self {
        let mut distinct = Self::default();
        for scope in scopes {
            let scope = scope.as_ref();
            if distinct.0.len() == MOST {
                break;
            }
            if is_scope_token(scope) && !distinct.contains(scope) {
                distinct.0.push(scope.to_owned());
            }
        }
        distinct
    }
}

/// What the parties say about scopes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// `--scope`; an empty one asks for none.
    pub given: Option<&'a str>,
    /// `scope` of the challenge.
    pub challenged: Option<&'a str>,
    /// `scopes_supported` of the resource.
    pub resource: Option<&'a [String]>,
    /// `scopes_supported` of the authorization server.
    pub server: Option<&'a [String]>,
}

/// `--scope`, else the challenge, else all that the resource names, else none; plus `offline_access` where the
/// authorization server lists it. Nothing is added to what the user gave, and nothing to none: naming a scope would
/// take away the server's default ones.
pub fn select(sources: Sources<'_>) -> Scopes {
    if let Some(given) = sources.given {
        return Scopes::parse(given);
    }
    let mut selected = match (sources.challenged, sources.resource) {
        (Some(challenged), _) => Scopes::parse(challenged),
        (None, Some(resource)) => resource.iter().collect(),
        (None, None) => Scopes::default(),
    };
    let offered = sources.server.is_some_and(|scopes| scopes.iter().any(|scope| scope == OFFLINE_ACCESS));
    if offered && !selected.is_empty() && !selected.contains(OFFLINE_ACCESS) {
        selected.0.push(OFFLINE_ACCESS.to_owned());
    }
    selected
}

fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_end_is_cut() {
        let endless: Vec<String> = (0..200_000).map(|number| format!("scope-{number}")).collect();
        let selected = select(Sources { resource: Some(&endless), ..Default::default() });
        assert_eq!((selected.iter().count(), selected.iter().last()), (MOST, Some("scope-199")));
    }

    #[test]
    fn scopes_are_selected_in_the_order_of_the_specification() {
        let all = ["a".to_owned(), "b".to_owned()];
        let offline = ["b".to_owned(), "offline_access".to_owned()];
        let table: &[(Sources<'_>, Option<&str>)] = &[
            (Sources::default(), None),
            (Sources { resource: Some(&all), ..Default::default() }, Some("a b")),
            (Sources { resource: Some(&all), challenged: Some("c"), ..Default::default() }, Some("c")),
            (
                Sources { given: Some("x  y x"), challenged: Some("c"), resource: Some(&all), server: None },
                Some("x y"),
            ),
            (Sources { given: Some(""), resource: Some(&all), ..Default::default() }, None),
            (
                Sources { challenged: Some("c"), server: Some(&offline), ..Default::default() },
                Some("c offline_access"),
            ),
            (
                Sources {
                    challenged: Some("offline_access c"),
                    server: Some(&offline),
                    ..Default::default()
                },
                Some("offline_access c"),
            ),
            (Sources { given: Some("x"), server: Some(&offline), ..Default::default() }, Some("x")),
            (Sources { server: Some(&offline), ..Default::default() }, None),
            (Sources { server: Some(&all), ..Default::default() }, None),
            (Sources { challenged: Some("ok b\"ad \u{7f}"), ..Default::default() }, Some("ok")),
        ];
        for (sources, expected) in table {
            assert_eq!(select(*sources).param().as_deref(), *expected, "{sources:?}");
        }
    }
}
