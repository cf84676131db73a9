//! Tables: what `kubectl get` shows. Here the frame is written; what the columns are, and their cells, each kind says.

use std::sync::Arc;

use api::Tree;
use serde_json::Value;

use super::kind::KindCodec;
use super::object::{decode, encode_tree, rendered, shaped};
use super::rendering::{Cache, Media, Shape};
use crate::registry::meta;
use crate::request::Query;
use crate::status::Status;
use crate::view::Object;

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// The type of its cells: `string`, `integer` …
    pub kind: String,
    /// What the cells are: `name` for the object's.
    pub format: String,
    /// What it means.
    pub description: String,
    /// 0: always shown; above: with `-o wide`.
    pub priority: i32,
}

/// Says how objects of a kind stand in a table.
pub trait TableRenderer: Send + Sync + 'static {
    /// The columns.
    fn columns(&self) -> Vec<Column>;

    /// The cells of one object, one a column. `now` is in seconds since 1970.
    fn cells(&self, object: &Tree, now: i64) -> Vec<Value>;

    /// What is to be said of the whole row: that the object has come to its end.
    fn condition(&self, _: &Tree) -> Option<RowCondition> {
        None
    }
}

/// The condition `Completed` of a row: clients may leave such rows out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCondition {
    /// One word.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: &'static str,
}

/// A time in seconds since 1970 as tables show it; nothing for none.
pub fn timestamp(seconds: Option<i64>) -> Value {
    let at = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map_or(Value::Null, |at| {
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
    })
}

/// The columns of kinds that have none of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultColumns;

impl TableRenderer for DefaultColumns {
    fn columns(&self) -> Vec<Column> {
        let column = |name: &str, kind: &str, format: &str, description: &str| Column {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: format.to_owned(),
            description: description.to_owned(),
            priority: 0,
        };
        vec![
            column(
                "Name",
                "string",
                "name",
                "Name of the object, unique in its namespace.",
            ),
            column(
                "Created At",
                "date",
                "",
                "When the server created the object.",
            ),
        ]
    }

    fn cells(&self, object: &Tree, _: i64) -> Vec<Value> {
        let meta = meta::of(object);
        vec![meta.name().into(), timestamp(meta.created())]
    }
}

/// What of the object a row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

/// Writes a table's parts.
#[derive(Clone)]
pub struct TableWriter {
    renderer: Arc<dyn TableRenderer>,
    include: Include,
    beta: bool,
    now: i64,
    headers: bool,
}

impl TableWriter {
    /// A table with the options of `query`.
    ///
    /// # Errors
    /// 400, if `includeObject` is none that is known.
    pub fn new(
        renderer: Arc<dyn TableRenderer>,
        query: &Query,
        beta: bool,
        now: i64,
    ) -> Result<TableWriter, Status> {
        let include = match query.get("includeObject").unwrap_or_default() {
            "" | "Metadata" => Include::Metadata,
            "None" => Include::None,
            "Object" => Include::Object,
            other => {
                return Err(Status::bad_request(format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: {}: must be 'Metadata', 'Object', \
                     'None', or empty",
                    api::field::quote(other)
                )));
            }
        };
        Ok(TableWriter {
            renderer,
            include,
            beta,
            now,
            headers: true,
        })
    }

    /// The table up to its first row. `meta` is the list's metadata in JSON.
    pub fn open(&self, meta: &str) -> Vec<u8> {
        // Upstream shows the columns once in a watch, and then null.
        let columns = match self.headers {
            true => self.renderer.columns().iter().map(json).collect(),
            false => Value::Null,
        };
        let version = if self.beta { "v1beta1" } else { "v1" };
        format!(
            "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/{version}\",\"metadata\":{meta},\"columnDefinitions\":{},\"rows\":[",
            columns
        )
        .into_bytes()
    }

    /// One row.
    ///
    /// # Errors
    /// If what is stored cannot be read.
    pub fn row(
        &self,
        cache: &Cache,
        kind: &KindCodec,
        object: &Arc<Object>,
        out: &mut Vec<u8>,
    ) -> Result<(), Status> {
        let tree = decode(kind, object)?;
        let carried = match self.include {
            Include::None => None,
            Include::Metadata => Some(rendered(
                cache,
                kind,
                object,
                Media::Json,
                Shape::Metadata { beta: self.beta },
            )?),
            Include::Object => Some(rendered(cache, kind, object, Media::Json, Shape::Whole)?),
        };
        self.cells(&tree, carried.as_deref(), out);
        Ok(())
    }

    fn cells(&self, tree: &Tree, carried: Option<&[u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"cells\":");
        out.extend_from_slice(
            Value::from(self.renderer.cells(tree, self.now))
                .to_string()
                .as_bytes(),
        );
        if let Some(RowCondition { reason, message }) = self.renderer.condition(tree) {
            let condition = serde_json::json!([{ "type": "Completed", "status": "True", "reason": reason, "message": message }]);
            out.extend_from_slice(b",\"conditions\":");
            out.extend_from_slice(condition.to_string().as_bytes());
        }
        out.extend_from_slice(b",\"object\":");
        out.extend_from_slice(
            carried.map_or(b"null", |json| json.strip_suffix(b"\n").unwrap_or(json)),
        );
        out.push(b'}');
    }

    /// A whole table of one object.
    ///
    /// # Errors
    /// If what is stored cannot be read.
    pub fn single(
        &self,
        cache: &Cache,
        kind: &KindCodec,
        object: &Arc<Object>,
    ) -> Result<Vec<u8>, Status> {
        let mut out = self.open(&format!(
            "{{\"resourceVersion\":\"{}\"}}",
            object.revision()
        ));
        self.row(cache, kind, object, &mut out)?;
        out.extend_from_slice(b"]}\n");
        Ok(out)
    }

    /// A table of one object that is in no view: the answer to a dry run.
    pub fn detached(&self, tree: &Tree, carried: &[u8]) -> Vec<u8> {
        let mut out = match meta::of(tree).resource_version() {
            "" => self.open("{}"),
            version => self.open(&format!("{{\"resourceVersion\":\"{version}\"}}")),
        };
        self.cells(
            tree,
            (self.include != Include::None).then_some(carried),
            &mut out,
        );
        out.extend_from_slice(b"]}\n");
        out
    }

    /// One row of an object that is in no view.
    pub fn loose_row(&self, tree: &Tree, out: &mut Vec<u8>) {
        let carried = match self.include {
            Include::None => None,
            Include::Metadata => Some(shaped(tree.clone(), Shape::Metadata { beta: self.beta })),
            Include::Object => Some(tree.clone()),
        };
        let carried = carried.map(|tree| encode_tree(&tree, Media::Json));
        self.cells(tree, carried.as_deref(), out);
    }

    /// What of the object a row carries.
    pub fn include(&self) -> Include {
        self.include
    }

    /// The tables after the first of a watch have no column definitions.
    pub fn without_headers(&mut self) {
        self.headers = false;
    }
}

fn json(column: &Column) -> Value {
    serde_json::json!({
        "name": column.name,
        "type": column.kind,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}
