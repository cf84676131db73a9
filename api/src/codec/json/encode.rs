//! Tree → JSON, byte for byte what Go's `encoding/json` writes of upstream's types.

use super::string::write_string;
use crate::schema::{FieldId, Scalar, Shape};
use crate::tree::{BLOB, Kind, Node, Ref, Store, Tree};

/// Appends a tree as compact JSON, without a final line break.
pub fn encode(tree: &Tree, out: &mut Vec<u8>) {
    encode_value(tree.root(), out);
}

/// A tree as compact JSON, without a final line break.
pub fn to_vec(tree: &Tree) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    encode(tree, &mut out);
    out
}

/// Appends one value as compact JSON.
pub fn encode_value(value: Ref<'_>, out: &mut Vec<u8>) {
    write(value.store, value.node, out);
}

fn write(store: &Store, node: &Node, out: &mut Vec<u8>) {
    match node.kind {
        Kind::Null => out.extend_from_slice(b"null"),
        Kind::Bool => out.extend_from_slice(if node.value == 0 { b"false" } else { b"true" }),
        Kind::Int => {
            out.extend_from_slice(itoa::Buffer::new().format(node.value as i64).as_bytes())
        }
        Kind::Float => write_float(f64::from_bits(node.value), out),
        Kind::Str => write_string(out, store.text(node)),
        Kind::Quantity => {
            let text = store.text(node);
            write_string(out, if text.is_empty() { "0" } else { text });
        }
        Kind::Bytes => {
            out.push(b'"');
            super::base64::encode(store.blob(node), out);
            out.push(b'"');
        }
        Kind::Time => match node.value as i64 {
            crate::time::ZERO_SECONDS => out.extend_from_slice(b"null"),
            seconds => {
                out.push(b'"');
                crate::time::write_seconds(seconds, out);
                out.push(b'"');
            }
        },
        Kind::MicroTime => match node.value as i64 {
            crate::time::ZERO_MICROS => out.extend_from_slice(b"null"),
            micros => {
                out.push(b'"');
                crate::time::write_micros(micros, out);
                out.push(b'"');
            }
        },
        Kind::Duration => write_string(
            out,
            &crate::Duration::from_nanos(node.value as i64).to_string(),
        ),
        Kind::Raw => write_raw(store.raw(node), node.flags & BLOB != 0, out),
        Kind::Message => write_message(store, node, out),
        Kind::List => {
            out.push(b'[');
            for (index, child) in store.children(node).iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(store, child, out);
            }
            out.push(b']');
        }
        Kind::Map => {
            out.push(b'{');
            for (index, entry) in store.children(node).chunks_exact(2).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(out, store.text(&entry[0]));
                out.push(b':');
                write(store, &entry[1], out);
            }
            out.push(b'}');
        }
    }
}

fn write_message(store: &Store, node: &Node, out: &mut Vec<u8>) {
    let ty = store.schema.ty(node.ty());
    let children = store.children(node);
    if ty.union {
        return write_union(store, ty, children, out);
    }
    let mut always = ty.always.iter().peekable();
    let mut separator = b'{';
    for child in children {
        let id = FieldId(child.field);
        while let Some(unset) = always.next_if(|unset| **unset < id) {
            out.push(separator);
            separator = b',';
            out.extend_from_slice(ty.plan.json_zero[usize::from(unset.0)].as_bytes());
        }
        if always.next_if(|unset| **unset == id).is_none()
            && is_omitted(store, ty.field_at(id), child)
        {
            continue;
        }
        out.push(separator);
        separator = b',';
        out.extend_from_slice(ty.plan.json_key[usize::from(id.0)].as_bytes());
        write(store, child, out);
    }
    for unset in always {
        out.push(separator);
        separator = b',';
        out.extend_from_slice(ty.plan.json_zero[usize::from(unset.0)].as_bytes());
    }
    if separator == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// The value of the one field that counts: a filled list, else the message, else the boolean, else null.
fn write_union(store: &Store, ty: &crate::schema::Type, children: &[Node], out: &mut Vec<u8>) {
    let find = |kind: Kind| children.iter().find(|child| child.kind == kind);
    let list = find(Kind::List).filter(|list| list.len > 0);
    match list.or(find(Kind::Message)).or(find(Kind::Bool)) {
        Some(child) => write(store, child, out),
        None if ty
            .fields
            .iter()
            .any(|field| field.shape == Shape::Scalar(Scalar::Bool)) =>
        {
            out.extend_from_slice(b"false")
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// Whether `omitempty` leaves a present field out.
#[inline]
fn is_omitted(store: &Store, field: &crate::schema::Field, node: &Node) -> bool {
    if field.pointer {
        return false;
    }
    match field.shape {
        Shape::List(_) | Shape::Map(_) | Shape::Scalar(Scalar::Bytes) => node.len == 0,
        _ if node.kind == Kind::Str => {
            node.len == 0 && field.shape != Shape::Scalar(Scalar::IntOrString)
        }
        _ => Ref { store, node }.is_zero(),
    }
}

/// JSON kept as bytes: white space goes, and what Go escapes is escaped. What is no JSON becomes null.
fn write_raw(bytes: &[u8], binary: bool, out: &mut Vec<u8>) {
    let start = out.len();
    if bytes.is_empty() || binary || compact(bytes, out).is_none() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

fn compact(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    super::syntax::check(bytes).ok()?;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            b'"' => {
                let end = super::syntax::skip_value(bytes, at).ok()?;
                write_raw_string(&bytes[at..end], out);
                at = end;
            }
            other => {
                out.push(*other);
                at += 1;
            }
        }
    }
    Some(())
}

/// A string that is JSON already, quotes and escapes included.
fn write_raw_string(string: &[u8], out: &mut Vec<u8>) {
    let mut rest = string;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xE2))
    {
        out.extend_from_slice(&rest[..at]);
        let (escaped, used): (&[u8], usize) = match &rest[at..] {
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            [0xE2, 0x80, 0xA8, ..] => (b"\\u2028", 3),
            [0xE2, 0x80, 0xA9, ..] => (b"\\u2029", 3),
            _ => (&[0xE2], 1),
        };
        out.extend_from_slice(escaped);
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest);
}

/// The shortest digits that mean the same; with an exponent below 1e-6 and from 1e21 on.
pub(crate) fn write_float(value: f64, out: &mut Vec<u8>) {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                out.extend_from_slice(digits.as_bytes());
                out.extend_from_slice(b"e+");
                out.extend_from_slice(exponent.as_bytes());
            }
            _ => out.extend_from_slice(text.as_bytes()),
        }
        return;
    }
    out.extend_from_slice(format!("{value}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
        ] {
            let mut out = Vec::new();
            write_float(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn raw_json_is_compacted_and_escaped() {
        let mut out = Vec::new();
        write_raw(
            b" { \"a b\" : [ 1 , \"<\\u00e9\xE2\x80\xA8\" ] } ",
            false,
            &mut out,
        );
        assert_eq!(out, b"{\"a b\":[1,\"\\u003c\\u00e9\\u2028\"]}");
        out.clear();
        write_raw(b"{", false, &mut out);
        assert_eq!(out, b"null");
    }
}
