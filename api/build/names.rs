//! JSON and Go names in Rust.

/// `hostPIDs` → `host_pids`, `setHostnameAsFQDN` → `set_hostname_as_fqdn`, `$ref` → `ref`.
pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            if !out.is_empty() {
                out.push('_');
            }
            continue;
        }
        if c.is_ascii_uppercase() && i > 0 && !out.is_empty() && !out.ends_with('_') {
            let after_lower = !chars[i - 1].is_ascii_uppercase();
            // The last capital of a run begins the next word, unless only the plural's "s" follows; so does the V of "V3".
            let begins_word = match chars.get(i + 1) {
                Some(next) if c == 'V' && next.is_ascii_digit() => true,
                Some('s') => chars
                    .get(i + 2)
                    .is_some_and(|after| after.is_ascii_lowercase()),
                Some(next) => next.is_ascii_lowercase(),
                None => false,
            };
            if after_lower || begins_word {
                out.push('_');
            }
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// A name that is a keyword gets an underscore behind it.
pub fn method(snake: &str) -> String {
    const KEYWORDS: [&str; 11] = [
        "type", "ref", "continue", "for", "in", "self", "match", "use", "where", "enum", "static",
    ];
    if KEYWORDS.contains(&snake) {
        format!("{snake}_")
    } else {
        snake.to_owned()
    }
}

/// The constant of a field's id; `TYPE` is the message type's own.
pub fn constant(snake: &str) -> String {
    let upper = snake.to_ascii_uppercase();
    if upper == "TYPE" {
        "TYPE_".to_owned()
    } else {
        upper
    }
}

/// The Rust module of a table name's group and version: `rbac.authorization.k8s.io/v1.Role` → (`rbac`, `v1`, `Role`).
pub fn place(name: &str) -> (&str, &str, &str) {
    let (group, rest) = name.split_once('/').expect("<group>/<version>.<type>");
    let (version, ty) = rest.split_once('.').expect("<group>/<version>.<type>");
    let module = match group {
        // "internal" alone would say nothing.
        "internal.apiserver.k8s.io" => "apiserverinternal",
        _ => group.split('.').next().unwrap_or(group),
    };
    (module, version, ty)
}
