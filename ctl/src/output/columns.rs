//! `-o custom-columns=NAME:.metadata.name,…`.

use serde_json::Value;

use super::jsonpath::{Path, plain};
use super::table::Table;
use crate::error::{Error, Result};

/// Columns of the user's own.
#[derive(Clone, Debug)]
pub struct Columns(Vec<(String, Path)>);

impl Columns {
    /// Reads `NAME:path,NAME:path`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut columns = Vec::new();
        for column in text.split(',') {
            match column.split_once(':') {
                Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                    columns.push((name.to_owned(), Path::parse(path)?))
                }
                _ => {
                    return Err(Error::Usage(format!(
                        "custom column {column:?}: write it like NAME:.metadata.name"
                    )));
                }
            }
        }
        Ok(Self(columns))
    }

    /// Reads a file of two lines: names, and below them paths.
    pub fn parse_file(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let (Some(names), Some(paths)) = (lines.next(), lines.next()) else {
            return Err(Error::Usage(
                "a custom columns file has a line of names and a line of paths".into(),
            ));
        };
        let (names, paths): (Vec<_>, Vec<_>) = (
            names.split_whitespace().collect(),
            paths.split_whitespace().collect(),
        );
        if names.len() != paths.len() {
            return Err(Error::Usage(format!(
                "the custom columns file has {} names and {} paths",
                names.len(),
                paths.len()
            )));
        }
        names
            .into_iter()
            .zip(paths)
            .map(|(name, path)| Ok((name.to_owned(), Path::parse(path)?)))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The table of these objects.
    pub fn table(&self, objects: &[Value]) -> Table {
        let header = self.0.iter().map(|(name, _)| name.clone()).collect();
        let rows = objects
            .iter()
            .map(|object| {
                self.0
                    .iter()
                    .map(|(_, path)| cell(&path.find(object)))
                    .collect()
            })
            .collect();
        Table { header, rows }
    }
}

fn cell(found: &[&Value]) -> String {
    if found.is_empty() {
        return "<none>".to_owned();
    }
    found
        .iter()
        .map(|value| {
            if value.is_null() {
                "<none>".to_owned()
            } else {
                plain(value)
            }
        })
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_filled_and_gaps_are_shown() {
        let columns =
            Columns::parse("NAME:.metadata.name,IMAGES:.spec.containers[*].image").unwrap();
        let table = columns.table(&[serde_json::json!({"metadata": {"name": "a"}, "spec": {"containers": [{"image": "x"}, {"image": "y"}]}}), serde_json::json!({})]);
        assert_eq!(table.rows, [["a", "x,y"], ["<none>", "<none>"]]);
        assert!(Columns::parse("NAME").is_err());
        assert!(Columns::parse_file("A B\n.a\n").is_err());
        assert_eq!(Columns::parse_file("A B\n.a .b\n").unwrap().0.len(), 2);
    }
}
