//! `ctl diff`: what apply would change, asked of the server by a dry run.

use std::io::Write;

use similar::{ChangeTag, TextDiff};

use crate::cluster::{Cluster, Connection};
use crate::error::{Error, Result};
use crate::input::Files;
use crate::output;
use crate::output::style::{self, Tone};
use crate::resources::Resources;
use crate::targets;
use crate::verbs::apply::{self, Options};

/// Options of `diff`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// Take over fields that others own.
    #[arg(long)]
    force_conflicts: bool,
    /// Under which name to own the fields.
    #[arg(long, default_value = "ctl")]
    field_manager: String,
    /// Show managedFields.
    #[arg(long)]
    show_managed_fields: bool,
    /// Accepted for kubectl's sake: the comparison is made on the server always.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", hide = true)]
    server_side: Option<bool>,
}

/// Prints a unified diff of each object that would change; fails with [`Error::Differences`] if there is one.
pub async fn run(
    args: Args,
    cluster: &Cluster,
    connection: &Connection,
    out: &mut dyn Write,
) -> Result<()> {
    let resources = Resources::discover(cluster).await?;
    let options = Options {
        force: args.force_conflicts,
        manager: &args.field_manager,
        dry_run: true,
        validation: "Strict",
    };
    let mut differ = false;
    for input in args.files.read()? {
        let (resource, path, object) =
            apply::place(&resources, cluster, connection.namespace.as_deref(), &input)?;
        let before = match cluster.get(&path).await {
            Ok(before) => Some(before),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let (_, after) = apply::apply(cluster, &path, &object, &options).await?;
        let text = |value: Option<serde_json::Value>| -> Result<String> {
            let Some(mut value) = value else {
                return Ok(String::new());
            };
            if !args.show_managed_fields {
                output::without_managed_fields(&mut value);
            }
            let mut bytes = Vec::new();
            output::yaml(&mut bytes, &value)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (before, after) = (text(before)?, text(Some(after))?);
        if before != after {
            differ = true;
            let name = resource.object(targets::name(&object));
            print(&name, &before, &after, out)?;
        }
    }
    if differ {
        Err(Error::Differences)
    } else {
        Ok(())
    }
}

fn print(name: &str, before: &str, after: &str, out: &mut dyn Write) -> Result<()> {
    let diff = TextDiff::from_lines(before, after);
    writeln!(
        out,
        "{}",
        style::paint(&format!("--- {name} (live)"), Tone::Bold)
    )?;
    writeln!(
        out,
        "{}",
        style::paint(&format!("+++ {name} (after apply)"), Tone::Bold)
    )?;
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        writeln!(
            out,
            "{}",
            style::paint(hunk.header().to_string().trim_end(), Tone::Dim)
        )?;
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            let shown = match change.tag() {
                ChangeTag::Delete => style::paint(&format!("-{line}"), Tone::Bad),
                ChangeTag::Insert => style::paint(&format!("+{line}"), Tone::Good),
                ChangeTag::Equal => format!(" {line}"),
            };
            writeln!(out, "{shown}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_the_lines_that_change_and_their_surroundings() {
        let mut out = Vec::new();
        print("pod/a", "a\nb\nc\n", "a\nx\nc\n", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "--- pod/a (live)\n+++ pod/a (after apply)\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"
        );
    }
}
