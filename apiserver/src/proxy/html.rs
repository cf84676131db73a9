//! The links in an HTML page, changed as it passes.

use std::io;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use lol_html::send::{HtmlRewriter, Settings};
use lol_html::{MemorySettings, OutputSink, element};
use parking_lot::Mutex;

/// Which attributes of which elements are addresses (HTML's index of attributes, and HTML 4.01's).
const ATTRIBUTES: [(&str, &[&str]); 27] = [
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("track", &["src"]),
    ("use", &["href"]),
    ("video", &["poster", "src"]),
];
/// The longest tag that is kept in memory.
const TAG_MAX: usize = 1 << 20;

/// The page with each link as `rewritten` gives it. It goes on as it comes: no more of it is kept than a tag.
pub(super) fn rewritten(
    page: Body,
    rewritten: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Body {
    let written = Written::default();
    let handler = element!("*", move |element| {
        let name = element.tag_name();
        let attributes = ATTRIBUTES.iter().find(|(of, _)| *of == name);
        for attribute in attributes.iter().flat_map(|(_, names)| names.iter()) {
            if let Some(link) = element.get_attribute(attribute) {
                let through = rewritten(&link);
                if through != link {
                    element.set_attribute(attribute, &through)?;
                }
            }
        }
        Ok(())
    });
    let memory = MemorySettings::new().with_max_allowed_memory_usage(TAG_MAX);
    let settings = Settings::new_send()
        .append_element_content_handler(handler)
        .with_memory_settings(memory);
    let passing = Passing {
        page: page.into_data_stream(),
        rewriter: Some(HtmlRewriter::new(settings, written.clone())),
        written,
    };
    Body::from_stream(stream::try_unfold(passing, Passing::next))
}

/// What the rewriter has written and nobody has taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl OutputSink for Written {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.lock().extend_from_slice(chunk);
    }
}

struct Passing {
    page: BodyDataStream,
    /// Until the page has ended.
    rewriter: Option<HtmlRewriter<'static, Written>>,
    written: Written,
}

impl Passing {
    /// The next part of the page, with what is left to pass.
    async fn next(mut self) -> io::Result<Option<(Bytes, Passing)>> {
        loop {
            let Some(rewriter) = &mut self.rewriter else {
                return Ok(None);
            };
            match self.page.next().await {
                Some(chunk) => {
                    let chunk = chunk.map_err(io::Error::other)?;
                    rewriter.write(&chunk).map_err(io::Error::other)?;
                }
                None => {
                    if let Some(rewriter) = self.rewriter.take() {
                        rewriter.end().map_err(io::Error::other)?;
                    }
                }
            }
            let written = std::mem::take(&mut *self.written.0.lock());
            if !written.is_empty() {
                return Ok(Some((written.into(), self)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn links_are_rewritten_and_all_else_passes_as_it_is() {
        let page = "<!doctype html><A class=x HREF=\"/a?b&amp;c\">text /a</A>\n<img src=/i.png alt='/i'><p href=/p>\
                    <script>let a = '<a href=\"/a\">';</script><!-- <a href=\"/a\"> --></p> end";
        for size in [1, 7, 1000] {
            let chunks = page.as_bytes().chunks(size).map(Bytes::copy_from_slice);
            let chunks: Vec<io::Result<Bytes>> = chunks.map(Ok).collect();
            let body = Body::from_stream(stream::iter(chunks));
            let body = rewritten(body, |link| format!("/proxy{link}"));
            let bytes = body.collect().await.unwrap().to_bytes();
            assert_eq!(
                String::from_utf8_lossy(&bytes),
                "<!doctype html><A class=x HREF=\"/proxy/a?b&amp;c\">text /a</A>\n<img src=\"/proxy/i.png\" alt='/i'><p href=/p>\
                 <script>let a = '<a href=\"/a\">';</script><!-- <a href=\"/a\"> --></p> end",
                "in chunks of {size}"
            );
        }
    }
}
