//! Writes JSON as it goes: no value is built first.

/// A JSON object or list that is being written.
pub struct Json<'o> {
    out: &'o mut Vec<u8>,
    close: u8,
    first: bool,
}

impl<'o> Json<'o> {
    /// Writes an object.
    pub fn object(out: &'o mut Vec<u8>, write: impl FnOnce(&mut Json<'_>)) {
        Json::container(out, b'{', b'}', write);
    }

    fn container(out: &'o mut Vec<u8>, open: u8, close: u8, write: impl FnOnce(&mut Json<'_>)) {
        out.push(open);
        let mut json = Json {
            out,
            close,
            first: true,
        };
        write(&mut json);
        let close = json.close;
        json.out.push(close);
    }

    fn next(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn key(&mut self, key: &str) {
        self.next();
        string(key, self.out);
        self.out.push(b':');
    }

    /// A field with an object.
    pub fn field(&mut self, key: &str, write: impl FnOnce(&mut Json<'_>)) {
        self.key(key);
        Json::container(self.out, b'{', b'}', write);
    }

    /// A field with a list.
    pub fn list(&mut self, key: &str, write: impl FnOnce(&mut Json<'_>)) {
        self.key(key);
        Json::container(self.out, b'[', b']', write);
    }

    /// A field with text; none if the text is empty.
    pub fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.key(key);
            string(value, self.out);
        }
    }

    /// A field with text, be it empty.
    pub fn any_text(&mut self, key: &str, value: &str) {
        self.key(key);
        string(value, self.out);
    }

    /// A field that is true; none if it is not.
    pub fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.raw(key, "true");
        }
    }

    /// A field with a value that is JSON already.
    pub fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.extend_from_slice(value.as_bytes());
    }

    /// A field with a list of texts; none if there are none.
    pub fn texts<T: AsRef<str>>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.list(key, |list| {
                values.for_each(|value| list.push_text(value.as_ref()))
            });
        }
    }

    /// An element that is an object.
    pub fn push(&mut self, write: impl FnOnce(&mut Json<'_>)) {
        self.next();
        Json::container(self.out, b'{', b'}', write);
    }

    /// An element that is text.
    pub fn push_text(&mut self, value: &str) {
        self.next();
        string(value, self.out);
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let mut out = Vec::new();
        Json::object(&mut out, |json| {
            json.text("a", "x\"\\\n");
            json.text("left out", "");
            json.flag("b", true);
            json.texts("c", ["d"]);
            json.texts("none", [""; 0]);
            json.list("e", |list| list.push(|o| o.raw("f", "{}")));
            json.field("g", |_| {});
        });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a":"x\"\\\u000a","b":true,"c":["d"],"e":[{"f":{}}],"g":{}}"#
        );
    }
}
