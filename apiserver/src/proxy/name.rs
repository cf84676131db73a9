//! `[scheme:]name[:port]`, as the last part of a path names what is meant.

/// What is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// By TLS.
    pub https: bool,
    pub name: &'a str,
    /// Empty if not given: a number, or a name.
    pub port: &'a str,
}

impl<'a> Name<'a> {
    /// Reads `text`; a scheme needs a port beside it, which may be empty.
    pub fn parse(text: &'a str) -> Option<Name<'a>> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts[..] {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => return None,
        };
        let https = match scheme {
            "" | "http" => false,
            "https" => true,
            _ => return None,
        };
        (!name.is_empty()).then_some(Name { https, name, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_port_may_be_left_out() {
        let is = |text, https, name, port| {
            assert_eq!(
                Name::parse(text),
                Some(Name { https, name, port }),
                "{text}"
            );
        };
        is("web", false, "web", "");
        is("web:80", false, "web", "80");
        is("http:web:80", false, "web", "80");
        is("https:web:", true, "web", "");
        for wrong in ["", ":80", "ftp:web:80", "a:b:c:d", "http::80"] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }
}
