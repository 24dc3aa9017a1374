//! The little web that `web_search` searches.

use serde::Serialize;

/// A page that can be found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) url: String,
    pub(crate) text: String,
}

const PAGES: [(&str, &str, &str); 6] = [
    (
        "Drawbridge",
        "https://example.com/drawbridge",
        "A bridge over a moat that can be raised. Also a local bridge to remote MCP servers.",
    ),
    (
        "Model Context Protocol",
        "https://example.com/mcp",
        "An open protocol that connects language models with tools and data.",
    ),
    ("OAuth 2.1", "https://example.com/oauth", "Authorization with codes, PKCE and rotating refresh tokens."),
    (
        "Moat",
        "https://example.com/moat",
        "A ditch around a castle, often filled with water, crossed by a drawbridge.",
    ),
    (
        "Keychain",
        "https://example.com/keychain",
        "Where the operating system keeps passwords and refresh tokens.",
    ),
    (
        "Server-sent events",
        "https://example.com/sse",
        "A stream of events from a server over one HTTP response.",
    ),
];

/// The pages that exist from the start.
pub(crate) fn built_in() -> Vec<Document> {
    PAGES
        .iter()
        .map(|(title, url, text)| Document {
            title: (*title).to_owned(),
            url: (*url).to_owned(),
            text: (*text).to_owned(),
        })
        .collect()
}

/// The pages that hold every word of the query.
pub(crate) fn search(pages: &[Document], query: &str) -> Vec<Document> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let holds = |page: &&Document| {
        let text = format!("{} {}", page.title, page.text).to_lowercase();
        !words.is_empty() && words.iter().all(|word| text.contains(word))
    };
    pages.iter().filter(holds).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_must_occur() {
        let titles =
            |query| search(&built_in(), query).into_iter().map(|page| page.title).collect::<Vec<_>>();
        assert_eq!(titles("refresh TOKENS"), ["OAuth 2.1", "Keychain"]);
        assert_eq!(titles("drawbridge castle"), ["Moat"]);
        assert!(titles("").is_empty());
    }
}
