//! The windows of a Host that has some.

use std::sync::{Arc, Mutex};

use drawbridge::host::{Front, Host, HostConfig};
use http::{Method, StatusCode};
use serde_json::json;

use crate::{Window, in_process};

/// Windows that only note what they are to show.
#[derive(Default)]
struct Noted(Mutex<Vec<String>>);

impl Front for Noted {
    fn show(&self, view: &str) {
        self.0.lock().expect("a list").push(view.to_owned());
    }
}

#[tokio::test]
async fn a_host_that_is_about_to_end_shows_no_window() {
    let (noted, home) = (Arc::new(Noted::default()), tempfile::tempdir().expect("a folder"));
    let config = HostConfig { front: Some(noted.clone()), ..in_process::config(home.path()) };
    let window = Window::of((Host::build(config).expect("a Host").handle(), home));
    let (view, nothing) = (json!({ "view": "servers" }), json!({}));
    for wish in [&view, &nothing] {
        let (status, _) = window.send(Method::POST, "/window", Some(wish)).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{wish}");
    }

    assert_eq!(window.send(Method::POST, "/shutdown", None).await.0, StatusCode::ACCEPTED);

    for wish in [&view, &nothing] {
        let (status, _) = window.send(Method::POST, "/window", Some(wish)).await;
        assert!(status.is_client_error(), "{wish}: {status}");
    }
    assert_eq!(*noted.0.lock().expect("a list"), ["servers"]);
}
