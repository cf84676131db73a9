//! Tables: the server's own (`as=Table`), and columns aligned as kubectl aligns them.

use std::io::Write;

use serde_json::Value;

use super::style;
use crate::error::Result;

/// The `Accept` that asks for a Table.
pub const ACCEPT: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Space between columns.
const GAP: usize = 3;

/// Rows of text under a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Column names, upper case.
    pub header: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn push<T: Into<String>>(&mut self, row: impl IntoIterator<Item = T>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    /// Puts a column in front.
    pub fn prefix(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        self.header.insert(0, name.to_owned());
        for (row, cell) in self.rows.iter_mut().zip(cells) {
            row.insert(0, cell);
        }
    }

    /// Prints header and rows; `widths` carries the columns' widths on from an earlier print, for rows that follow in time.
    pub fn print(
        &self,
        out: &mut dyn Write,
        with_header: bool,
        widths: &mut Vec<usize>,
    ) -> Result<()> {
        widths.resize(self.header.len().max(widths.len()), 0);
        let lines = with_header
            .then_some(&self.header)
            .into_iter()
            .chain(&self.rows);
        for line in lines.clone() {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (index, line) in lines.enumerate() {
            let head = with_header && index == 0;
            let mut text = String::new();
            for (column, cell) in line.iter().enumerate() {
                let shown = style::harmless(&cell.replace('\n', " "));
                let tone = if head {
                    Some(style::Tone::Bold)
                } else {
                    style::of_status(&shown)
                };
                match tone {
                    Some(tone) => text.push_str(&style::paint(&shown, tone)),
                    None => text.push_str(&shown),
                }
                if column + 1 < line.len() {
                    let pad = widths[column] + GAP - shown.chars().count();
                    text.push_str(&" ".repeat(pad));
                }
            }
            writeln!(out, "{text}")?;
        }
        Ok(())
    }
}

/// A Table object of the server: its visible columns, and the metadata of each row's object.
pub fn read(table: &Value, wide: bool) -> (Table, Vec<Value>) {
    let columns = table["columnDefinitions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let shown: Vec<usize> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| wide || column["priority"].as_i64().unwrap_or(0) == 0)
        .map(|(index, _)| index)
        .collect();
    let header = shown
        .iter()
        .map(|index| {
            columns[*index]["name"]
                .as_str()
                .unwrap_or_default()
                .to_uppercase()
        })
        .collect();
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for row in table["rows"].as_array().into_iter().flatten() {
        rows.push(
            shown
                .iter()
                .map(|index| cell(&row["cells"][index]))
                .collect(),
        );
        objects.push(row["object"].clone());
    }
    (Table { header, rows }, objects)
}

/// A cell as text.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "<none>".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(table: &Table, widths: &mut Vec<usize>, header: bool) -> String {
        let mut out = Vec::new();
        table.print(&mut out, header, widths).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_stay_so_for_rows_that_follow() {
        let mut table = Table::new(&["NAME", "READY"]);
        table.push(["a-long-name", "1/1"]);
        let mut widths = Vec::new();
        assert_eq!(
            printed(&table, &mut widths, true),
            "NAME          READY\na-long-name   1/1\n"
        );
        let mut later = Table::new(&["NAME", "READY"]);
        later.push(["b", "0/1"]);
        assert_eq!(printed(&later, &mut widths, false), "b             0/1\n");
    }

    #[test]
    fn the_servers_table_shows_low_priorities_when_wide() {
        let table = serde_json::json!({
            "columnDefinitions": [{"name": "Name", "priority": 0}, {"name": "IP", "priority": 1}],
            "rows": [{"cells": ["web", null], "object": {"metadata": {"name": "web"}}}],
        });
        assert_eq!(read(&table, false).0.header, ["NAME"]);
        let (wide, objects) = read(&table, true);
        assert_eq!(wide.rows, [["web", "<none>"]]);
        assert_eq!(objects[0]["metadata"]["name"], "web");
    }
}
