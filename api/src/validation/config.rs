//! ConfigMaps and Secrets.

use super::check::{IMMUTABLE, each, quoted, same};
use super::format;
use crate::codec::json::{self, Strict};
use crate::core::v1::{ConfigMap, Secret};
use crate::field::{Error, ErrorList, Path};

/// All values together, in bytes.
pub const SIZE_MAX: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";
const REDACTED: &str = "<secret contents redacted>";
/// Upstream's place for the object as a whole prints as `[]`.
const WHOLE: Path<'static> = Path::root().key("");
const DATA: Path<'static> = Path::new("data");
const BINARY_DATA: Path<'static> = Path::new("binaryData");

pub(super) fn config_map(errors: &mut ErrorList, map: ConfigMap<'_>) {
    let mut size = 0;
    for (key, value) in map.data() {
        let place = DATA.key(key);
        each(errors, &place, key, format::config_key(key));
        if map.binary_data().contains_key(key) {
            errors.push(Error::invalid(
                &place,
                key,
                "duplicate of key present in binaryData",
            ));
        }
        size += value.len();
    }
    for (key, value) in map.binary_data() {
        each(errors, &BINARY_DATA.key(key), key, format::config_key(key));
        size += value.len();
    }
    if size > SIZE_MAX {
        errors.push(Error::too_long(&WHOLE, SIZE_MAX));
    }
}

pub(super) fn config_map_update(errors: &mut ErrorList, new: ConfigMap<'_>, old: ConfigMap<'_>) {
    if old.immutable() == Some(true) {
        let data = same(new.data().node(), old.data().node());
        let binary = same(new.binary_data().node(), old.binary_data().node());
        frozen(
            errors,
            &[
                ("immutable", new.immutable() == Some(true)),
                ("data", data),
                ("binaryData", binary),
            ],
        );
    }
    config_map(errors, new);
}

fn frozen(errors: &mut ErrorList, fields: &[(&str, bool)]) {
    for (field, unchanged) in fields {
        if !unchanged {
            errors.push(Error::forbidden(&Path::new(field), FROZEN));
        }
    }
}

pub(super) fn secret(errors: &mut ErrorList, secret: Secret<'_>) {
    let mut size = 0;
    for (key, value) in secret.data() {
        each(errors, &DATA.key(key), key, format::config_key(key));
        size += value.len();
    }
    if size > SIZE_MAX {
        errors.push(Error::too_long(&DATA, SIZE_MAX));
    }
    let has = |key: &str| secret.data().contains_key(key);
    let mut needs = |key: &str| errors.push(Error::required(&DATA.key(key), ""));
    match secret.type_() {
        "kubernetes.io/service-account-token" => {
            const ACCOUNT: &str = "kubernetes.io/service-account.name";
            let annotations = secret.metadata().annotations();
            if annotations.get(ACCOUNT).unwrap_or_default().is_empty() {
                let path = Path::new("metadata.annotations");
                errors.push(Error::required(&path.key(ACCOUNT), ""));
            }
        }
        "kubernetes.io/dockercfg" => docker(errors, secret, ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => docker(errors, secret, ".dockerconfigjson"),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            needs("username");
            needs("password");
        }
        "kubernetes.io/ssh-auth" => {
            let key = secret.data().get("ssh-privatekey").unwrap_or_default();
            if key.is_empty() {
                needs("ssh-privatekey");
            }
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if !has(key) {
                    needs(key);
                }
            }
        }
        _ => {}
    }
}

/// Credentials for registries are a JSON object.
fn docker(errors: &mut ErrorList, secret: Secret<'_>, key: &str) {
    let place = DATA.key(key);
    let Some(text) = secret.data().get(key) else {
        errors.push(Error::required(&place, ""));
        return;
    };
    let problem = if text.iter().all(u8::is_ascii_whitespace) {
        "unexpected end of JSON input".to_owned()
    } else {
        match json::decode_untyped(text.to_vec(), &mut Strict::new()) {
            Err(error) => error.to_string(),
            Ok(tree) => match tree.root().kind() {
                crate::Kind::Map | crate::Kind::Null => return,
                other => {
                    let found = match other {
                        crate::Kind::List => "array",
                        crate::Kind::Str => "string",
                        crate::Kind::Bool => "bool",
                        _ => "number",
                    };
                    format!(
                        "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
                    )
                }
            },
        }
    };
    errors.push(Error::invalid(&place, REDACTED, problem));
}

pub(super) fn secret_update(errors: &mut ErrorList, new: Secret<'_>, old: Secret<'_>) {
    if new.type_() != old.type_() {
        errors.push(Error::invalid(
            &Path::new("type"),
            quoted(new.type_()),
            IMMUTABLE,
        ));
    }
    if old.immutable() == Some(true) {
        let data = same(new.data().node(), old.data().node());
        frozen(
            errors,
            &[("immutable", new.immutable() == Some(true)), ("data", data)],
        );
    }
    secret(errors, new);
}
