//! Who the processes of a Windows container are.

use super::super::check::quoted;
use super::super::format;
use crate::core::v1::WindowsSecurityContextOptions;
use crate::field::{Error, ErrorList, Path};

/// The longest credential specification, in KiB.
const CREDENTIAL_MAX_KIB: usize = 64;
/// A domain is shorter than this, in bytes.
const DOMAIN_MAX: usize = 256;
/// The longest name of a user, in bytes.
const USER_MAX: usize = 104;
/// What the name of a user may not hold.
const NOT_IN_USERS: &str = "\"/\\:;|=,+*?<>@[]";
/// What a NetBIOS domain may not hold.
const NOT_IN_DOMAINS: &str = "\\/:*?\"<>|";
/// The longest NetBIOS domain, in characters.
const NETBIOS_MAX: usize = 15;

/// The options of a pod or a container.
pub(super) fn options(
    errors: &mut ErrorList,
    path: &Path<'_>,
    options: WindowsSecurityContextOptions<'_>,
) {
    if let Some(name) = options.gmsa_credential_spec_name() {
        let place = path.child("gmsaCredentialSpecName");
        for message in format::dns_subdomain(name) {
            errors.push(Error::invalid(&place, quoted(name), message));
        }
    }
    if let Some(spec) = options.gmsa_credential_spec() {
        let mut refuse = |why: String| {
            let place = path.child("gmsaCredentialSpec");
            errors.push(Error::invalid(&place, quoted(spec), why));
        };
        if spec.is_empty() {
            refuse("gmsaCredentialSpec cannot be an empty string".to_owned());
        } else if spec.len() > CREDENTIAL_MAX_KIB * 1024 {
            refuse(format!(
                "gmsaCredentialSpec size must be under {CREDENTIAL_MAX_KIB} KiB"
            ));
        }
    }
    if let Some(name) = options.run_as_user_name() {
        let place = path.child("runAsUserName");
        for why in user_name(name) {
            errors.push(Error::invalid(&place, quoted(name), why));
        }
    }
}

/// What is wrong with `DOMAIN\USER`, or `USER`.
fn user_name(name: &str) -> Vec<String> {
    let whole = |why: &str| vec![format!("runAsUserName cannot {why}")];
    if name.is_empty() {
        return whole("be an empty string");
    }
    if name.contains(|c: char| c.is_ascii_control()) {
        return whole("contain control characters");
    }
    let (domain, user) = match name.split_once('\\') {
        Some((_, rest)) if rest.contains('\\') => {
            return whole("contain more than one backslash");
        }
        Some((domain, user)) => (Some(domain), user),
        None => (None, name),
    };
    let mut out = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= DOMAIN_MAX {
            out.push(format!(
                "runAsUserName's Domain length must be under {DOMAIN_MAX} characters"
            ));
        }
        if !is_netbios(domain) && !is_dns(domain) {
            out.push(
                "runAsUserName's Domain doesn't match the NetBios nor the DNS format".to_owned(),
            );
        }
    }
    if user.is_empty() {
        out.push("runAsUserName's User cannot be empty".to_owned());
    } else if user.len() > USER_MAX {
        out.push(format!(
            "runAsUserName's User length must not be longer than {USER_MAX} characters"
        ));
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        out.push("runAsUserName's User cannot contain only periods or spaces".to_owned());
    }
    if user.contains(|c| NOT_IN_USERS.contains(c)) {
        out.push(
            r#"runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]"#
                .to_owned(),
        );
    }
    out
}

fn is_netbios(domain: &str) -> bool {
    !domain.is_empty()
        && domain.chars().count() <= NETBIOS_MAX
        && !domain.starts_with('.')
        && !domain.contains(|c| NOT_IN_DOMAINS.contains(c))
}

fn is_dns(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes[0].is_ascii_alphanumeric()
            && bytes[bytes.len() - 1].is_ascii_alphanumeric()
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_with_and_without_a_domain() {
        for right in ["me", "NT AUTHORITY\\SYSTEM", "a.example.com\\me"] {
            assert!(user_name(right).is_empty(), "{right}");
        }
        for (wrong, why) in [
            ("", "runAsUserName cannot be an empty string"),
            ("a\tb", "runAsUserName cannot contain control characters"),
            (
                "a\\b\\c",
                "runAsUserName cannot contain more than one backslash",
            ),
            ("a\\", "runAsUserName's User cannot be empty"),
            (
                "a|b-and-much-too-long\\me",
                "runAsUserName's Domain doesn't match the NetBios nor the DNS format",
            ),
            (
                "..",
                "runAsUserName's User cannot contain only periods or spaces",
            ),
            (
                "a:b",
                r#"runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]"#,
            ),
        ] {
            assert_eq!(user_name(wrong), [why], "{wrong:?}");
        }
        let long = "x".repeat(105);
        assert_eq!(
            user_name(&long),
            ["runAsUserName's User length must not be longer than 104 characters"]
        );
    }
}
