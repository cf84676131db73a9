//! What a patch makes of an object: where the pipeline meets the api crate's patches.

use api::Tree;
use api::codec::{json, yaml};
use api::field::{Error, Path};
use api::patch::{self, PatchError};
use bytes::Bytes;
use jiff::Timestamp;

use super::managed::{Writer, merge, track};
use super::{Call, rules};
use crate::codec::object::set_kind;
use crate::request::{FieldValidation, PatchKind, PatchOptions, Stage};
use crate::status::{Details, Qualified, Reason, Status};

/// A patch, ready to be applied to whatever version is current.
pub struct Patch<'a> {
    kind: PatchKind,
    /// JSON, whatever it came as.
    content: Bytes,
    options: &'a PatchOptions,
    manager: &'a str,
}

impl<'a> Patch<'a> {
    /// A patch of a request.
    ///
    /// # Errors
    /// 400, if it is no YAML.
    pub fn parse(
        call: &Call<'_>,
        kind: PatchKind,
        content: &Bytes,
        options: &'a PatchOptions,
        manager: &'a str,
    ) -> Result<Patch<'a>, Status> {
        if kind != PatchKind::Apply {
            serde_json::from_slice::<serde::de::IgnoredAny>(content)
                .map_err(|_| Status::bad_request("invalid JSON patch"))?;
            return Ok(Patch {
                kind,
                content: content.clone(),
                options,
                manager,
            });
        }
        let mut strict = json::Strict::new();
        let json = yaml::to_json(content, &mut strict)
            .map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))?;
        let kind_of_value = match json.first() {
            Some(b'[') => Some("array"),
            Some(b'"') => Some("string"),
            Some(b't' | b'f') => Some("bool"),
            Some(b'-' | b'0'..=b'9') => Some("number"),
            _ => None,
        };
        if let Some(found) = kind_of_value {
            return Err(Status::bad_request(format!(
                "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go \
                 value of type map[string]interface {{}}"
            )));
        }
        if !strict.is_empty() {
            match options.update.field_validation {
                FieldValidation::Ignore => {}
                FieldValidation::Warn => strict
                    .errors()
                    .iter()
                    .for_each(|e| call.cx.warn(&e.to_string())),
                FieldValidation::Strict => {
                    let all: Vec<String> =
                        strict.errors().iter().map(ToString::to_string).collect();
                    return Err(Status::bad_request(format!(
                        "error strict decoding patch: {}",
                        all.join(", ")
                    )));
                }
            }
        }
        Ok(Patch {
            kind,
            content: json.into(),
            options,
            manager,
        })
    }

    /// The patched object, with defaults and field owners.
    ///
    /// # Errors
    /// As upstream answers.
    pub fn apply(
        &self,
        call: &Call<'_>,
        live: Option<&Tree>,
        now: Timestamp,
    ) -> Result<Tree, Status> {
        let kind = call.kind;
        let writer = Writer {
            manager: self.manager,
            subresource: call.subresource(),
            now,
        };
        if self.kind == PatchKind::Apply {
            let mut empty = Tree::with_schema(kind.codec.schema.clone(), kind.codec.type_id);
            set_kind(&mut empty, &kind.codec);
            let live = live.unwrap_or(&empty);
            let mut new = call.cx.time(Stage::Decode, || {
                merge(kind, live, &self.content, writer, self.options.force)
            })?;
            set_kind(&mut new, &kind.codec);
            call.cx.time(Stage::Defaulting, || rules::default(&mut new));
            return Ok(new);
        }
        let Some(live) = live else {
            return Err(Status::not_found(kind.qualified(), call.name()));
        };
        let mut new = self.apply_plain(call, live)?;
        set_kind(&mut new, &kind.codec);
        call.cx.time(Stage::Defaulting, || rules::default(&mut new));
        track(kind, Some(live), &mut new, writer);
        Ok(new)
    }

    /// The patched object, of any type, without defaults or field owners.
    ///
    /// # Errors
    /// As upstream answers.
    pub fn apply_plain(&self, call: &Call<'_>, live: &Tree) -> Result<Tree, Status> {
        let mut strict = json::Strict::new();
        let patched = call.cx.time(Stage::Decode, || match self.kind {
            PatchKind::Json => patch::json(live, &self.content, &mut strict),
            PatchKind::Merge => patch::merge(live, &self.content, &mut strict),
            PatchKind::Strategic => patch::strategic(live, &self.content, &mut strict),
            PatchKind::Apply => patch::merge(live, &self.content, &mut strict),
        });
        let patched = patched.map_err(|error| self.refusal(error))?;
        if strict.is_empty() {
            return Ok(patched);
        }
        match self.options.update.field_validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => strict
                .errors()
                .iter()
                .for_each(|e| call.cx.warn(&e.to_string())),
            FieldValidation::Strict => {
                let all: Vec<String> = strict.errors().iter().map(ToString::to_string).collect();
                return Err(
                    self.invalid(live, &format!("strict decoding error: {}", all.join(", ")))
                );
            }
        }
        Ok(patched)
    }

    fn refusal(&self, error: PatchError) -> Status {
        match error {
            PatchError::Malformed(why) => Status::bad_request(why),
            // Upstream does not say what was wrong.
            PatchError::Inapplicable(_) if self.kind == PatchKind::Json => {
                let message = "the server rejected our request due to an error in our request";
                Status::new(422, Reason::Invalid, message, Some(Details::default()))
            }
            PatchError::Inapplicable(why) => Status::bad_request(why),
            PatchError::Unmergeable(why) => Status::new(500, Reason::Unknown, why, None),
            PatchError::TooManyOperations(_) => Status::request_entity_too_large(error),
            PatchError::Decode { why, shown } => {
                let path = Path::new("patch");
                let errors = [Error::invalid(&path, shown, why.to_string())]
                    .into_iter()
                    .collect();
                Status::invalid(Qualified::default(), "", &errors)
            }
        }
    }

    fn invalid(&self, live: &Tree, why: &str) -> Status {
        let path = Path::new("patch");
        let shown = match self.kind {
            PatchKind::Json => patch::shown_json(live, &self.content),
            PatchKind::Strategic => patch::shown_strategic(&self.content),
            PatchKind::Merge | PatchKind::Apply => patch::shown_merge(live, &self.content),
        };
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) => return self.refusal(error),
        };
        let errors = [Error::invalid(&path, shown, why)].into_iter().collect();
        Status::invalid(Qualified::default(), "", &errors)
    }
}
