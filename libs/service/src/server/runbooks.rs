//! The runbooks as a page at `/runbooks` of the internal listener: where the links of the alerts lead. They are those of
//! this very release, and nothing else is needed to read them at night.

use std::sync::LazyLock;

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::routing::get;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Where the page is.
pub(super) const PATH: &str = "/runbooks";
pub(super) const WITH_SLASH: &str = "/runbooks/";

const TEXT: &str = include_str!("../../../../docs/runbooks.md");
static PAGE: LazyLock<String> = LazyLock::new(|| page(TEXT));

/// It loads nothing, and has its style in it.
const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-cache"),
];
const HEAD: &str =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Rondo: runbooks</title>\n<style>
body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
pre { background: #f4f4f4; padding: 0.5em; overflow-x: auto; }
td, th { text-align: left; vertical-align: top; padding: 0.2em 0.8em 0.2em 0; }
:target { background: #ffef9f; }
</style>\n";

/// The page's route.
pub(super) fn routes() -> Router {
    let page = get(async || (HEADERS, PAGE.as_str()));
    // Whoever says another address of it may end that with a slash.
    Router::new().route(PATH, page.clone()).route(WITH_SLASH, page)
}

/// A text in Markdown as a page: a heading is found by its words, and links to other files, which are not here, are
/// plain words.
fn page(text: &str) -> String {
    let mut events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let anchors: Vec<(usize, String)> = (events.iter().enumerate())
        .filter(|(_, event)| matches!(event, Event::Start(Tag::Heading { .. })))
        .map(|(at, _)| (at, anchor(&events[at..])))
        .collect();
    for (at, anchor) in anchors {
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[at] {
            *id = Some(anchor.into());
        }
    }
    let mut is_kept = true;
    events.retain(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => {
            is_kept = dest_url.starts_with('#') || dest_url.starts_with("http");
            is_kept
        }
        Event::End(TagEnd::Link) => std::mem::replace(&mut is_kept, true),
        _ => true,
    });
    let mut page = HEAD.to_owned();
    html::push_html(&mut page, events.into_iter());
    page
}

/// By which links name the heading that begins here, as everywhere else where Markdown is shown.
fn anchor(from_heading: &[Event<'_>]) -> String {
    let words = from_heading.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    let words = words.filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.to_lowercase()),
        _ => None,
    });
    let text = words.collect::<String>();
    let known = text.chars().filter(|one| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_'));
    known.map(|one| if one == ' ' { '-' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_found_by_their_words_and_what_is_not_here_is_no_link() {
        let text = "# All of it\n\n## `NatsDown`, or not?\n\n[there](#all-of-it) [other](other.md#x) <b>\n\n|a|b|\n|-|-|\n|c|d|\n";
        let page = page(text);
        for part in [
            "<h1 id=\"all-of-it\">All of it</h1>",
            "<h2 id=\"natsdown-or-not\"><code>NatsDown</code>, or not?</h2>",
            "<a href=\"#all-of-it\">there</a> other",
            "<td>c</td>",
        ] {
            assert!(page.contains(part), "{part} is in {page}");
        }
        assert!(!page.contains("other.md"), "{page}");
    }

    #[test]
    fn whatever_the_runbooks_link_to_within_themselves_is_there() {
        let page = page(TEXT);
        let links: Vec<&str> =
            page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.len() > 20, "{links:?}");
        for link in links {
            assert!(page.contains(&format!("id=\"{link}\"")), "there is no {link}");
        }
    }
}
