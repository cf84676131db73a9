//! Watch frames, and the body that streams them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use store::Revision;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::kind::KindCodec;
use super::list::Items;
use super::object::{encode_tree, put_length, rendered, set_kind, shaped};
use super::rendering::{Cache, Media, Shape};
use super::table::TableWriter;
use crate::registry::meta;
use crate::registry::selection::Selection;
use crate::status::Status;
use crate::view::{Event, Object, View, Watcher};

/// How large a piece is, in bytes.
const PIECE: usize = 32 << 10;
/// How often an idle watcher is told how far the server has come.
const BOOKMARK: Duration = Duration::from_secs(60);
/// How long before its end a watch is told so for the last time.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Marks the bookmark after the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What a watch event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// The object is there, which it was not.
    Added,
    /// The object has changed.
    Modified,
    /// The object is gone.
    Deleted,
    /// Only the revision counts.
    Bookmark,
}

impl Type {
    const fn as_str(self) -> &'static str {
        match self {
            Type::Added => "ADDED",
            Type::Modified => "MODIFIED",
            Type::Deleted => "DELETED",
            Type::Bookmark => "BOOKMARK",
        }
    }
}

/// Writes frames of one form.
pub struct FrameWriter {
    /// Where renderings are kept.
    pub cache: Arc<Cache>,
    /// The kind of the objects.
    pub kind: Arc<KindCodec>,
    /// The media type.
    pub media: Media,
    /// What of each object is shown.
    pub shape: Shape,
    /// Objects are written as tables.
    pub table: Option<TableWriter>,
}

impl FrameWriter {
    fn object(
        &mut self,
        kind: Type,
        object: &Arc<Object>,
        out: &mut Vec<u8>,
    ) -> Result<(), Status> {
        match &mut self.table {
            Some(table) => {
                let body = table.single(&self.cache, &self.kind, object)?;
                table.without_headers();
                frame(self.media, kind.as_str(), &body, out);
            }
            None => {
                let body = rendered(&self.cache, &self.kind, object, self.media, self.shape)?;
                frame(self.media, kind.as_str(), &body, out);
            }
        }
        Ok(())
    }

    fn bookmark(&mut self, revision: Revision, initial_end: bool, out: &mut Vec<u8>) {
        let mut tree = api::Tree::with_schema(self.kind.schema.clone(), self.kind.type_id);
        set_kind(&mut tree, &self.kind);
        let mut meta = meta::of_mut(&mut tree);
        meta.set("resourceVersion", revision.to_string().as_str());
        if initial_end {
            meta.insert("annotations", INITIAL_EVENTS_END, "true");
        }
        let body = match &mut self.table {
            None => encode_tree(&shaped(tree, self.shape), self.media),
            Some(table) => {
                let partial = encode_tree(
                    &shaped(tree.clone(), Shape::Metadata { beta: false }),
                    Media::Json,
                );
                let body = table.detached(&tree, &partial);
                table.without_headers();
                body.into()
            }
        };
        frame(self.media, Type::Bookmark.as_str(), &body, out);
    }

    fn error(&self, status: &Status, out: &mut Vec<u8>) {
        match self.media {
            Media::Protobuf => frame(self.media, "ERROR", &status.to_protobuf(), out),
            _ => out.extend_from_slice(&status.to_watch_event()),
        }
    }
}

/// `{"type":…,"object":…}` and a line feed; in protobuf a `WatchEvent` after its length in four bytes.
fn frame(media: Media, kind: &str, object: &[u8], out: &mut Vec<u8>) {
    match media {
        Media::Protobuf => {
            let mut event = Vec::with_capacity(object.len() + 32);
            put_length(&mut event, 1, kind.len());
            event.extend_from_slice(kind.as_bytes());
            let mut raw = Vec::with_capacity(object.len() + 8);
            put_length(&mut raw, 1, object.len());
            raw.extend_from_slice(object);
            put_length(&mut event, 2, raw.len());
            event.extend_from_slice(&raw);
            out.extend_from_slice(&u32::try_from(event.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(&event);
        }
        _ => {
            out.extend_from_slice(b"{\"type\":\"");
            out.extend_from_slice(kind.as_bytes());
            out.extend_from_slice(b"\",\"object\":");
            out.extend_from_slice(object.strip_suffix(b"\n").unwrap_or(object));
            out.extend_from_slice(b"}\n");
        }
    }
}

/// What comes before the events.
pub struct Initial {
    /// The objects that are there.
    pub items: Items,
    /// The revision that they show.
    pub revision: Revision,
    /// Whether a bookmark marks their end.
    pub bookmark: bool,
}

/// The body of a watch.
pub struct WatchBody {
    view: Arc<View>,
    frames: FrameWriter,
    selection: Arc<Selection>,
    initial: Option<Initial>,
    watcher: Watcher,
    pending: VecDeque<Arc<Event>>,
    bookmarks: bool,
    next_bookmark: Pin<Box<Sleep>>,
    end: Instant,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    finished: bool,
}

impl WatchBody {
    /// A watch that ends after `timeout`, or when `draining` is done.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        view: Arc<View>,
        frames: FrameWriter,
        selection: Arc<Selection>,
        initial: Option<Initial>,
        watcher: Watcher,
        bookmarks: bool,
        timeout: Duration,
        draining: WaitForCancellationFutureOwned,
    ) -> WatchBody {
        let now = Instant::now();
        let end = now + timeout;
        let first = next_bookmark(now, end, bookmarks);
        WatchBody {
            view,
            frames,
            selection,
            initial,
            watcher,
            pending: VecDeque::new(),
            bookmarks,
            next_bookmark: Box::pin(tokio::time::sleep_until(first)),
            end,
            draining: Box::pin(draining),
            finished: false,
        }
    }

    /// Writes what an event means to this watcher.
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) -> Result<(), Status> {
        let was = event
            .old
            .as_ref()
            .is_some_and(|o| self.selection.matches(o));
        let is = event.new.as_ref().filter(|o| self.selection.matches(o));
        match (was, is) {
            (false, Some(new)) => self.frames.object(Type::Added, new, out),
            (true, Some(new)) => self.frames.object(Type::Modified, new, out),
            (true, None) => match event.departed() {
                Some(departed) => self.frames.object(Type::Deleted, departed, out),
                None => Ok(()),
            },
            (false, None) => Ok(()),
        }
    }

    fn fill(&mut self, out: &mut Vec<u8>) -> Result<(), Status> {
        if let Some(initial) = &mut self.initial {
            let (frames, selection) = (&mut self.frames, &self.selection);
            let more = initial.items.write(|object| {
                if selection.matches(object) {
                    frames.object(Type::Added, object, out)?;
                }
                Ok(out.len() >= PIECE)
            })?;
            if more {
                return Ok(());
            }
            if initial.bookmark {
                frames.bookmark(initial.revision, true, out);
            }
            self.initial = None;
        }
        while out.len() < PIECE
            && let Some(event) = self.pending.pop_front()
        {
            self.event(&event, out)?;
        }
        Ok(())
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<()> {
        loop {
            if let Err(status) = self.fill(out) {
                self.frames.error(&status, out);
                self.finished = true;
                return Poll::Ready(());
            }
            if !out.is_empty() {
                return Poll::Ready(());
            }
            // Read before the watcher is asked: what it has not yielded by then is newer.
            let applied = self.view.applied();
            match self.watcher.poll_events(cx) {
                Poll::Ready(Some(Ok(events))) => self.pending.extend(events),
                Poll::Ready(Some(Err(too_old))) => {
                    self.frames
                        .error(&Status::expired(too_old.to_string()), out);
                    self.finished = true;
                    return Poll::Ready(());
                }
                Poll::Ready(None) => {
                    self.finished = true;
                    return Poll::Ready(());
                }
                Poll::Pending => return self.poll_timers(cx, applied, out),
            }
        }
    }

    fn poll_timers(
        &mut self,
        cx: &mut Context<'_>,
        applied: Revision,
        out: &mut Vec<u8>,
    ) -> Poll<()> {
        if self.draining.as_mut().poll(cx).is_ready() {
            self.finished = true;
            return Poll::Ready(());
        }
        while self.next_bookmark.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= self.end {
                self.finished = true;
                return Poll::Ready(());
            }
            if self.bookmarks
                && let Some(revision) = self.watcher.caught_up(applied)
            {
                self.frames.bookmark(revision, false, out);
            }
            let next = next_bookmark(now, self.end, self.bookmarks);
            self.next_bookmark.as_mut().reset(next);
        }
        if out.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

/// When the timer fires next: for a bookmark, for the last one, or for the end.
fn next_bookmark(now: Instant, end: Instant, bookmarks: bool) -> Instant {
    let last = end.checked_sub(LAST_BOOKMARK).unwrap_or(end);
    match bookmarks && now < last {
        true => last.min(now + BOOKMARK),
        false => end,
    }
}

impl http_body::Body for WatchBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.finished {
            return Poll::Ready(None);
        }
        // One that always has something to say ends all the same.
        if Instant::now() >= this.end {
            this.finished = true;
            return Poll::Ready(None);
        }
        let mut out = Vec::new();
        if this.poll_fill(cx, &mut out).is_pending() {
            return Poll::Pending;
        }
        if out.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }
}
