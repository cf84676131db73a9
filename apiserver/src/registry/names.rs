//! Generated names (upstream: `storage/names`, `util/rand`).

use crate::env::Env;

/// The alphabet of generated suffixes: no vowels, and no digits that read like letters.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How long the suffix is.
const SUFFIX: usize = 5;
/// How long a generated name is at most.
const MAX: usize = 63;

/// A name of `prefix` and a random suffix.
pub fn generate(prefix: &str, env: &Env) -> String {
    let room = MAX - SUFFIX;
    let end = (0..=prefix.len().min(room))
        .rev()
        .find(|&at| prefix.is_char_boundary(at))
        .unwrap_or(0);
    let mut name = prefix[..end].to_owned();
    name.push_str(&suffix(env));
    name
}

/// The random suffix alone.
pub fn suffix(env: &Env) -> String {
    let mut out = String::with_capacity(SUFFIX);
    while out.len() < SUFFIX {
        let mut bytes = [0u8; 8];
        env.random.fill(&mut bytes);
        // Bytes beyond the last multiple would favour the first letters.
        let fair = 256 - 256 % ALPHABET.len();
        let letters = bytes.iter().filter(|b| usize::from(**b) < fair);
        out.extend(
            letters
                .map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()]))
                .take(SUFFIX - out.len()),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_upstreams() {
        let env = Env::system();
        let name = generate("web-", &env);
        assert_eq!(name.len(), 9);
        assert!(
            name.starts_with("web-") && name[4..].bytes().all(|b| ALPHABET.contains(&b)),
            "{name}"
        );
        assert_ne!(generate("web-", &env), name);
        assert_eq!(generate(&"a".repeat(100), &env).len(), 63);
        assert_eq!(
            generate(&"é".repeat(100), &env)
                .chars()
                .filter(|c| *c == 'é')
                .count(),
            29
        );
    }
}
