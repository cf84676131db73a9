//! Objects from files, directories and standard input, as YAML or JSON, one or several in a document.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize as _;
use serde_json::Value;

use crate::error::{Error, Result};

/// Where the objects of a command are.
#[derive(Args, Clone, Debug, Default)]
pub struct Files {
    /// File or directory; - is standard input. May be repeated.
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    pub filename: Vec<String>,
    /// Directories with all that is below them.
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

/// One object and the place it was read from.
#[derive(Clone, Debug)]
pub struct Input {
    /// File, and the document in it.
    pub place: String,
    /// The object.
    pub object: Value,
}

impl Files {
    /// All objects, in the order of the files; lists are taken apart.
    pub fn read(&self) -> Result<Vec<Input>> {
        if self.filename.is_empty() {
            return Err(Error::Usage(
                "name a file with -f (- is standard input)".into(),
            ));
        }
        let mut inputs = Vec::new();
        for name in &self.filename {
            let failed = |source| Error::File {
                path: name.clone(),
                source,
            };
            if name == "-" {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map_err(failed)?;
                documents("standard input", &text, &mut inputs)?;
                continue;
            }
            let path = Path::new(name);
            let files = if path.is_dir() {
                self.directory(path).map_err(failed)?
            } else {
                vec![path.to_owned()]
            };
            for file in files {
                let shown = file.display().to_string();
                let text = std::fs::read_to_string(&file).map_err(|source| Error::File {
                    path: shown.clone(),
                    source,
                })?;
                documents(&shown, &text, &mut inputs)?;
            }
        }
        if inputs.is_empty() {
            Err(Error::Usage("there are no objects in what -f names".into()))
        } else {
            Ok(inputs)
        }
    }

    fn directory(&self, directory: &Path) -> std::io::Result<Vec<PathBuf>> {
        let mut entries = std::fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        entries.sort();
        let mut files = Vec::new();
        for entry in entries {
            if entry.is_dir() {
                if self.recursive {
                    files.extend(self.directory(&entry)?);
                }
            } else if entry
                .extension()
                .is_some_and(|kind| kind == "yaml" || kind == "yml" || kind == "json")
            {
                files.push(entry);
            }
        }
        Ok(files)
    }
}

/// Takes the documents of a text apart.
fn documents(place: &str, text: &str, inputs: &mut Vec<Input>) -> Result<()> {
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let place = if index == 0 {
            place.to_owned()
        } else {
            format!("{place}, document {}", index + 1)
        };
        let wrong = |what: String| Error::Document {
            place: place.clone(),
            what,
        };
        let value = Value::deserialize(document).map_err(|error| wrong(error.to_string()))?;
        if value.is_null() {
            continue;
        }
        for object in flatten(value) {
            for field in ["apiVersion", "kind"] {
                if object[field].as_str().is_none_or(str::is_empty) {
                    return Err(wrong(format!("{field} is missing")));
                }
            }
            inputs.push(Input {
                place: place.clone(),
                object,
            });
        }
    }
    Ok(())
}

fn flatten(value: Value) -> Vec<Value> {
    let is_list = value["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("List"));
    match value {
        Value::Object(mut map) if is_list && map.get("items").is_some_and(Value::is_array) => {
            match map.remove("items") {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }
        }
        value => vec![value],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        documents("a.yaml", text, &mut inputs).map(|()| inputs)
    }

    #[test]
    fn documents_lists_and_json_are_taken_apart() {
        let inputs = read("---\napiVersion: v1\nkind: Pod\n---\n# nothing\n---\n{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"A\"},{\"apiVersion\":\"v1\",\"kind\":\"B\"}]}\n").unwrap();
        let kinds: Vec<_> = inputs
            .iter()
            .map(|input| input.object["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["Pod", "A", "B"]);
        assert_eq!(inputs[1].place, "a.yaml, document 3");
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        for (text, what) in [
            ("kind: Pod\n", "apiVersion is missing"),
            ("- 1\n", "apiVersion is missing"),
            ("a: [\n", "a.yaml"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
