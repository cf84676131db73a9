//! What names and labels may look like; the messages are those that upstream's clients see.
//!
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>

const LABEL_CHARACTERS: &str = "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                                alphanumeric character";
const LABEL_KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// Whether the name of a resource is Kubernetes' own: without a domain, or with its domain. Others count such as
/// `example.com/gpu`, the extended ones.
/// <https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#extended-resources>
pub fn is_native_resource(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// What is wrong with a label's or annotation's key (a qualified name); nothing if it is one.
pub fn label_key(key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let regex = || {
        format!(
            "must {LABEL_CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{LABEL_KEY}')"
        )
    };
    let name = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        ["", name] => {
            errors.push("prefix part must be non-empty".to_owned());
            name
        }
        [prefix, name] => {
            errors.extend(
                dns_subdomain(prefix)
                    .into_iter()
                    .map(|error| format!("prefix part {error}")),
            );
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                regex()
            )];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        errors.push(format!("name part {}", too_long(LABEL_MAX)));
    }
    if !is_label(name) {
        errors.push(format!("name part {}", regex()));
    }
    errors
}

/// What is wrong with a label's value; nothing if it is one.
pub fn label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX));
    }
    if !value.is_empty() && !is_label(value) {
        errors.push(format!(
            "a valid label must be an empty string or {LABEL_CHARACTERS} (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
             for validation is '({LABEL_KEY})?')"
        ));
    }
    errors
}

/// What is wrong with a DNS subdomain (RFC 1123), as most names are; nothing if it is one.
pub fn dns_subdomain(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > SUBDOMAIN_MAX {
        errors.push(too_long(SUBDOMAIN_MAX));
    }
    if !name.split('.').all(is_dns_label) {
        errors.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end \
             with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .to_owned(),
        );
    }
    errors
}

fn too_long(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

fn is_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_dns_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let alphanumeric = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_have_no_errors() {
        for key in ["a", "app.kubernetes.io/name", "A_b-c.9", &"x".repeat(63)] {
            assert_eq!(label_key(key), Vec::<String>::new(), "{key}");
        }
        assert!(label_value("").is_empty() && label_value("v1.2_3").is_empty());
        assert!(dns_subdomain("a-1.b").is_empty());
    }

    #[test]
    fn bad_names_are_told_in_upstreams_words() {
        assert_eq!(
            label_key("a b"),
            [
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
              character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
              '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ]
        );
        assert_eq!(label_key("/x"), ["prefix part must be non-empty"]);
        assert!(label_key("a/b/c")[0].starts_with("a valid label key must consist of"));
        assert_eq!(label_key("").len(), 2);
        assert_eq!(
            label_value(&"x".repeat(64)),
            ["must be no more than 63 bytes"]
        );
        assert_eq!(dns_subdomain("A.b").len(), 1);
        assert_eq!(dns_subdomain("a..b").len(), 1);
    }
}
