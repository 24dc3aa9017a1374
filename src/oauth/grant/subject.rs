//! What vouches for us: a token that a platform or identity provider issued and that does not live long.

use std::path::PathBuf;

use crate::oauth::Error;
use crate::private_file::{self, LARGEST_SECRET, Owner};
use crate::secret::StaticSecret;

/// A token that says who we are, and where its next one comes from.
#[derive(Debug, Clone)]
pub enum SubjectToken {
    /// This one, until another is given.
    Given(StaticSecret),
    /// What is in this file at the time; platforms put a fresh one there.
    File(PathBuf),
}

impl SubjectToken {
    /// The token as it is now.
    ///
    /// # Errors
    /// [`Error::SubjectToken`] for a file that cannot be read or holds no token.
    pub(super) async fn read(&self) -> Result<StaticSecret, Error> {
        let path = match self {
            Self::Given(token) => return Ok(token.clone()),
            Self::File(path) => path.clone(),
        };
        let failed = |why: String| Error::SubjectToken { why };
        let reading =
            tokio::task::spawn_blocking(move || private_file::read(&path, LARGEST_SECRET, Owner::User));
        let content = reading.await.map_err(|_| failed("its file was not read".to_owned()))?;
        let content = content.map_err(|error| failed(error.to_string()))?;
        let text = std::str::from_utf8(&content).unwrap_or_default().trim();
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| StaticSecret::new(text)).ok_or_else(|| failed("its file holds no token".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_anew_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = SubjectToken::File(path.clone());
        assert!(matches!(token.read().await, Err(Error::SubjectToken { .. })));
        for (content, expected) in
            [("one\n", Some("one")), ("two", Some("two")), ("", None), ("a b", None), ("a\nb", None)]
        {
            std::fs::write(&path, content).unwrap();
            let read = token.read().await.ok();
            assert_eq!(read.as_ref().map(StaticSecret::expose), expected, "{content:?}");
        }
    }
}
