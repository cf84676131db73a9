//! The query of a URL, parsed as Go's `url.ParseQuery` does: pairs that are malformed are left out.

use std::borrow::Cow;

/// The decoded pairs of a query, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses the part of a URL after `?`.
    pub fn parse(raw: &str) -> Query {
        let pairs = raw
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.contains(';'));
        let decoded = pairs.filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((
                unescape(key, true)?.into_owned(),
                unescape(value, true)?.into_owned(),
            ))
        });
        Query(decoded.collect())
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Every value of `key`, in order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Every pair, in order: for a handler that passes them on (proxy, webhook, exec).
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

/// Decodes `%XX`, and `+` as a space in a query; `None` if an escape is malformed. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn unescape(text: &str, query: bool) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || query && b == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            b'+' if query => b' ',
            byte => byte,
        });
    }
    Some(Cow::Owned(String::from_utf8(out).unwrap_or_else(|e| {
        String::from_utf8_lossy(e.as_bytes()).into_owned()
    })))
}

/// Decodes `%XX` in a path or a header's name; `None` if an escape is malformed.
pub fn unescape_path(text: &str) -> Option<String> {
    unescape(text, false).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_malformed_ones_left_out() {
        let query = Query::parse("a=1&a=2&b=x+y%2Cz&c&d=%zz&e;f=1&&g=%E2%82%AC&h=%ff");
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.get("b"), Some("x y,z"));
        assert_eq!(query.get("c"), Some(""));
        assert_eq!(query.get("d"), None);
        assert_eq!(query.get("e;f"), None);
        assert_eq!(query.get("g"), Some("€"));
        assert_eq!(query.get("h"), Some("\u{fffd}"));
    }
}
