//! The documents that were asked for, kept compressed: most clients take them so, and they are small then.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use api::Schema;
use api::kinds::Kinds;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use parking_lot::Mutex;

use super::document::{Source, Subject};
use super::{to_json, to_protobuf};
use crate::discovery::hash;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// JSON.
    Json,
    /// gnostic's protobuf.
    Protobuf,
}

/// A document as it is kept.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Its bytes, compressed by gzip.
    pub gzip: Bytes,
    /// The hash of its JSON, whatever its form.
    pub hash: Arc<str>,
}

impl Rendered {
    /// Its bytes.
    ///
    /// # Errors
    /// None in practice: what was compressed here is decompressed.
    pub fn plain(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        GzDecoder::new(&*self.gzip).read_to_end(&mut out)?;
        Ok(out)
    }
}

/// Makes documents when they are first asked for, and keeps them.
pub struct Documents {
    kinds: &'static Kinds,
    schema: &'static Schema,
    hashes: OnceLock<BTreeMap<String, Arc<str>>>,
    rendered: Mutex<BTreeMap<(Subject, Form), Rendered>>,
}

impl Documents {
    /// Documents about the built-in kinds.
    pub fn builtin() -> Documents {
        Documents {
            kinds: Kinds::builtin(),
            schema: Schema::builtin(),
            hashes: OnceLock::new(),
            rendered: Mutex::default(),
        }
    }

    /// The document of that name in the index of OpenAPI 3.0.
    pub fn named(&self, name: &str) -> Option<Subject> {
        Subject::named(self.kinds, name)
    }

    /// The hashes of all documents of OpenAPI 3.0, by name. The first call makes every document once, and keeps none.
    pub fn hashes(&self) -> &BTreeMap<String, Arc<str>> {
        self.hashes.get_or_init(|| {
            let source = Source::new(self.kinds, self.schema);
            let of =
                |subject: &Subject| hash(&to_json(&source.document(subject), &source.names)).into();
            Subject::listed(self.kinds)
                .iter()
                .map(|(name, subject)| (name.clone(), of(subject)))
                .collect()
        })
    }

    /// A document in a form.
    ///
    /// # Errors
    /// None in practice: memory is written to.
    pub fn get(&self, subject: &Subject, form: Form) -> std::io::Result<Rendered> {
        if let Some(found) = self.rendered.lock().get(&(subject.clone(), form)) {
            return Ok(found.clone());
        }
        let source = Source::new(self.kinds, self.schema);
        let document = source.document(subject);
        let json = to_json(&document, &source.names);
        let hash = hash(&json).into();
        let content = match form {
            Form::Json => json,
            Form::Protobuf => to_protobuf(&document, &source.names),
        };
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&content)?;
        let mut gzip = gzip.finish()?;
        gzip.shrink_to_fit();
        let made = Rendered {
            gzip: gzip.into(),
            hash,
        };
        self.rendered
            .lock()
            .insert((subject.clone(), form), made.clone());
        Ok(made)
    }

    /// How many bytes are kept.
    pub fn kept(&self) -> usize {
        self.rendered
            .lock()
            .values()
            .map(|rendered| rendered.gzip.len())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_made_once_and_kept_small() {
        let documents = Documents::builtin();
        assert_eq!(documents.kept(), 0);
        let subject = documents.named("apis/apps/v1").unwrap();
        let json = documents.get(&subject, Form::Json).unwrap();
        assert_eq!(documents.hashes()["apis/apps/v1"], json.hash);
        let protobuf = documents.get(&subject, Form::Protobuf).unwrap();
        assert_eq!(protobuf.hash, json.hash, "one hash for both forms");
        let plain = json.plain().unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&plain).unwrap()["paths"].is_object());
        let kept = documents.kept();
        assert!(kept < plain.len() / 3, "{kept} of {}", plain.len());
        documents.get(&subject, Form::Json).unwrap();
        assert_eq!(documents.kept(), kept);
        assert!(documents.named("apis/none").is_none());
    }
}
