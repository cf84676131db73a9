//! The columns of Tables.

use super::{Kinds, KindsError, key};

/// A column of the Table that answers `as=Table` requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// OpenAPI type: `string`, `integer`, `date` …
    pub kind: String,
    /// OpenAPI format; `name` marks the column that identifies the object.
    pub format: String,
    /// 0 is always shown, 1 with `-o wide` only.
    pub priority: i32,
}

impl Kinds {
    /// Reads a table of columns; its head says what the lines mean.
    ///
    /// # Errors
    /// The first line that is malformed, or names a resource which is not here.
    pub(super) fn parse_columns(&mut self, table: &str) -> Result<(), KindsError> {
        let mut current = None;
        for (index, line) in table.lines().enumerate() {
            let wrong = |what: String| KindsError {
                line: index + 1,
                what,
            };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(path) = line.strip_prefix("table ") {
                current = Some(
                    self.position(path)
                        .ok_or_else(|| wrong(format!("no such resource: {path}")))?,
                );
                continue;
            }
            let at = current.ok_or_else(|| wrong("a column before any table".to_owned()))?;
            let column =
                parse_column(line).ok_or_else(|| wrong(format!("not a column: {line}")))?;
            self.resources[at].columns.push(column);
        }
        Ok(())
    }

    fn position(&self, path: &str) -> Option<usize> {
        let mut parts = path.splitn(3, '/');
        self.by_resource
            .get(&key(parts.next()?, parts.next()?, parts.next()?))
            .copied()
    }
}

fn parse_column(line: &str) -> Option<Column> {
    let mut cells = line.split('\t').map(str::to_owned);
    Some(Column {
        name: cells.next()?,
        kind: cells.next()?,
        format: cells.next()?,
        priority: cells.next()?.parse().ok()?,
    })
}
