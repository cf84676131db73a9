//! kubectl's JSONPath templates: `{.metadata.name}`, `{range .items[*]}…{end}`, `{"\n"}`, filters and slices.
//! <https://kubernetes.io/docs/reference/kubectl/jsonpath/>

use serde_json::Value;

use crate::error::{Error, Result};

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Path(Path),
    Range(Path, Vec<Part>),
}

/// A path from the current element (`@`, `.`) or from the root (`$`).
#[derive(Clone, Debug)]
pub struct Path {
    from_root: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Field(String),
    Every,
    Descend,
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    Union(Vec<Step>),
    Filter(Operand, Option<(Comparison, Operand)>),
}

#[derive(Clone, Debug)]
enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Deeper nesting than anybody writes.
const DEEPEST: usize = 32;

impl Template {
    /// Reads a template; text outside of braces is printed as it is.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0 };
        let parts = parser.parts(false, 0)?;
        Ok(Self(parts))
    }

    /// Applies it.
    pub fn render(&self, root: &Value) -> Result<String> {
        let mut out = String::new();
        render(&self.0, root, root, &mut out)?;
        Ok(out)
    }
}

impl Path {
    /// Reads a path as `--sort-by`, custom columns and `wait` take it: with or without braces and leading dot.
    pub fn parse(text: &str) -> Result<Self> {
        let inner = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .unwrap_or(text);
        let dotted = if inner.starts_with(['.', '$', '@', '[']) {
            inner.to_owned()
        } else {
            format!(".{inner}")
        };
        let mut parser = Parser {
            text: &dotted,
            at: 0,
        };
        let path = parser.path(0)?;
        parser.blanks();
        if parser.at < dotted.len() {
            Err(parser.wrong("something follows the path"))
        } else {
            Ok(path)
        }
    }

    /// The values that it leads to; fields that are not there lead nowhere.
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        self.from(root, root)
    }

    fn from<'a>(&self, root: &'a Value, current: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![if self.from_root { root } else { current }];
        for step in &self.steps {
            found = found
                .into_iter()
                .flat_map(|value| step.apply(root, value))
                .collect();
        }
        found
    }
}

impl Step {
    fn apply<'a>(&self, root: &'a Value, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Every => children(value),
            Self::Descend => {
                let mut all = vec![value];
                let mut next = 0;
                while next < all.len() {
                    let inner = children(all[next]);
                    all.extend(inner);
                    next += 1;
                }
                all
            }
            Self::Index(index) => {
                let Value::Array(items) = value else {
                    return Vec::new();
                };
                usize::try_from(if *index < 0 {
                    *index + length(items)
                } else {
                    *index
                })
                .ok()
                .and_then(|index| items.get(index))
                .into_iter()
                .collect()
            }
            Self::Slice(start, end, step) => {
                let Value::Array(items) = value else {
                    return Vec::new();
                };
                let clamp = |at: i64| {
                    usize::try_from(
                        if at < 0 { at + length(items) } else { at }.clamp(0, length(items)),
                    )
                    .unwrap_or(0)
                };
                let (start, end) = (
                    clamp(start.unwrap_or(0)),
                    clamp(end.unwrap_or(length(items))),
                );
                let step = usize::try_from(*step).unwrap_or(1).max(1);
                items
                    .get(start..end.max(start))
                    .unwrap_or_default()
                    .iter()
                    .step_by(step)
                    .collect()
            }
            Self::Union(steps) => steps
                .iter()
                .flat_map(|step| step.apply(root, value))
                .collect(),
            Self::Filter(left, right) => {
                let Value::Array(items) = value else {
                    return Vec::new();
                };
                items
                    .iter()
                    .filter(|item| holds(root, item, left, right.as_ref()))
                    .collect()
            }
        }
    }
}

fn length(items: &[Value]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn holds(
    root: &Value,
    item: &Value,
    left: &Operand,
    right: Option<&(Comparison, Operand)>,
) -> bool {
    let values = |operand: &Operand| -> Vec<Value> {
        match operand {
            Operand::Path(path) => path.from(root, item).into_iter().cloned().collect(),
            Operand::Literal(value) => vec![value.clone()],
        }
    };
    let left = values(left);
    let Some((comparison, right)) = right else {
        return !left.is_empty();
    };
    let (Some(left), Some(right)) = (left.first().cloned(), values(right).first().cloned()) else {
        return false;
    };
    let order = match (&left, &right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        _ => Some(plain(&left).cmp(&plain(&right))),
    };
    use std::cmp::Ordering::{Equal, Greater, Less};
    match comparison {
        Comparison::Equal => order == Some(Equal),
        Comparison::NotEqual => order != Some(Equal),
        Comparison::Less => order == Some(Less),
        Comparison::LessOrEqual => matches!(order, Some(Less | Equal)),
        Comparison::Greater => order == Some(Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
    }
}

/// A value as templates print it: text bare, everything else as JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn render(parts: &[Part], root: &Value, current: &Value, out: &mut String) -> Result<()> {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => {
                let found: Vec<String> = path.from(root, current).into_iter().map(plain).collect();
                out.push_str(&found.join(" "));
            }
            Part::Range(path, inner) => {
                for item in path.from(root, current) {
                    render(inner, root, item, out)?;
                }
            }
        }
    }
    Ok(())
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn wrong(&self, what: &str) -> Error {
        Error::Document {
            place: format!("template {:?}, at {}", self.text, self.at + 1),
            what: what.to_owned(),
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn blanks(&mut self) {
        while self.eat(" ") {}
    }

    fn parts(&mut self, in_range: bool, depth: usize) -> Result<Vec<Part>> {
        if depth > DEEPEST {
            return Err(self.wrong("ranges are nested too deeply"));
        }
        let mut parts = Vec::new();
        loop {
            let text = self.rest().find('{').unwrap_or(self.rest().len());
            if text > 0 {
                parts.push(Part::Text(self.rest()[..text].to_owned()));
                self.at += text;
            }
            if !self.eat("{") {
                return if in_range {
                    Err(self.wrong("{range} without {end}"))
                } else {
                    Ok(parts)
                };
            }
            self.blanks();
            if self.eat("end") {
                self.close()?;
                return if in_range {
                    Ok(parts)
                } else {
                    Err(self.wrong("{end} without {range}"))
                };
            }
            if self.eat("range ") {
                self.blanks();
                let path = self.path(depth)?;
                self.close()?;
                parts.push(Part::Range(path, self.parts(true, depth + 1)?));
            } else if self.rest().starts_with(['"', '\'']) {
                let text = self.quoted()?;
                self.close()?;
                parts.push(Part::Text(text));
            } else {
                let path = self.path(depth)?;
                self.close()?;
                parts.push(Part::Path(path));
            }
        }
    }

    fn close(&mut self) -> Result<()> {
        self.blanks();
        if self.eat("}") {
            Ok(())
        } else {
            Err(self.wrong("} is missing"))
        }
    }

    fn path(&mut self, depth: usize) -> Result<Path> {
        if depth > DEEPEST {
            return Err(self.wrong("filters are nested too deeply"));
        }
        let from_root = self.eat("$");
        if !from_root {
            self.eat("@");
        }
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                steps.push(Step::Descend);
                if self.rest().starts_with(|c: char| c != '[' && c != '}') {
                    steps.push(self.name()?);
                }
            } else if self.eat(".") {
                if self
                    .rest()
                    .starts_with(|c: char| !matches!(c, '}' | '[' | ' ' | ')'))
                {
                    steps.push(self.name()?);
                }
            } else if self.eat("[") {
                steps.push(self.bracket(depth)?);
            } else {
                return Ok(Path { from_root, steps });
            }
        }
    }

    /// A field's name, in which a backslash takes a dot's meaning away.
    fn name(&mut self) -> Result<Step> {
        if self.eat("*") {
            return Ok(Step::Every);
        }
        let mut name = String::new();
        while let Some(c) = self.rest().chars().next() {
            if c == '\\' {
                self.at += 1;
                let Some(escaped) = self.rest().chars().next() else {
                    return Err(self.wrong("nothing follows the backslash"));
                };
                name.push(escaped);
                self.at += escaped.len_utf8();
            } else if matches!(
                c,
                '.' | '[' | '}' | ' ' | ')' | ']' | '=' | '!' | '<' | '>' | ','
            ) {
                break;
            } else {
                name.push(c);
                self.at += c.len_utf8();
            }
        }
        if name.is_empty() {
            Err(self.wrong("a field's name is missing"))
        } else {
            Ok(Step::Field(name))
        }
    }

    fn bracket(&mut self, depth: usize) -> Result<Step> {
        if self.eat("?(") {
            self.blanks();
            let left = self.operand(depth + 1)?;
            self.blanks();
            let comparisons = [
                ("==", Comparison::Equal),
                ("!=", Comparison::NotEqual),
                ("<=", Comparison::LessOrEqual),
                (">=", Comparison::GreaterOrEqual),
                ("<", Comparison::Less),
                (">", Comparison::Greater),
            ];
            let mut right = None;
            for (token, comparison) in comparisons {
                if self.eat(token) {
                    self.blanks();
                    right = Some((comparison, self.operand(depth + 1)?));
                    break;
                }
            }
            self.blanks();
            return if self.eat(")]") {
                Ok(Step::Filter(left, right))
            } else {
                Err(self.wrong(")] is missing"))
            };
        }
        let mut steps = Vec::new();
        loop {
            self.blanks();
            steps.push(self.element()?);
            self.blanks();
            if self.eat("]") {
                return Ok(if steps.len() == 1 {
                    steps.remove(0)
                } else {
                    Step::Union(steps)
                });
            }
            if !self.eat(",") {
                return Err(self.wrong("] is missing"));
            }
        }
    }

    fn element(&mut self) -> Result<Step> {
        if self.eat("*") {
            return Ok(Step::Every);
        }
        if self.rest().starts_with(['"', '\'']) {
            return Ok(Step::Field(self.quoted()?));
        }
        let start = self.number()?;
        if !self.eat(":") {
            return start
                .map(Step::Index)
                .ok_or_else(|| self.wrong("an index, a name in quotes or * is missing"));
        }
        let end = self.number()?;
        let step = if self.eat(":") {
            self.number()?.unwrap_or(1)
        } else {
            1
        };
        if step < 1 {
            Err(self.wrong("the step of a slice must be positive"))
        } else {
            Ok(Step::Slice(start, end, step))
        }
    }

    fn number(&mut self) -> Result<Option<i64>> {
        let length = self
            .rest()
            .find(|c: char| !c.is_ascii_digit() && c != '-')
            .unwrap_or(self.rest().len());
        if length == 0 {
            return Ok(None);
        }
        let number = self.rest()[..length]
            .parse()
            .map_err(|_| self.wrong("no number"))?;
        self.at += length;
        Ok(Some(number))
    }

    fn operand(&mut self, depth: usize) -> Result<Operand> {
        if self.rest().starts_with(['"', '\'']) {
            return Ok(Operand::Literal(Value::String(self.quoted()?)));
        }
        if self.rest().starts_with(['@', '$', '.']) {
            return Ok(Operand::Path(self.path(depth)?));
        }
        let length = self
            .rest()
            .find([' ', ')', '=', '!', '<', '>'])
            .unwrap_or(self.rest().len());
        let literal = serde_json::from_str(&self.rest()[..length])
            .map_err(|_| self.wrong("neither a path nor a value"))?;
        self.at += length;
        Ok(Operand::Literal(literal))
    }

    fn quoted(&mut self) -> Result<String> {
        let Some(quote) = self.rest().chars().next() else {
            return Err(self.wrong("a quote is missing"));
        };
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.wrong("the quote is not closed"));
            };
            self.at += c.len_utf8();
            if c == quote {
                return Ok(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some(escaped) = self.rest().chars().next() else {
                return Err(self.wrong("the quote is not closed"));
            };
            self.at += escaped.len_utf8();
            text.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> String {
        let document = serde_json::json!({
            "kind": "List",
            "items": [
                {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "n": 1, "status": {"ok": true}},
                {"metadata": {"name": "b"}, "n": 2, "tags": ["p", "q", "r"]},
            ],
        });
        Template::parse(template)
            .unwrap()
            .render(&document)
            .unwrap()
    }

    #[test]
    fn templates_of_the_documentation_work() {
        for (template, text) in [
            ("{.kind}", "List"),
            ("{$.kind} is {.items[0].metadata.name}", "List is a"),
            ("{['kind']}", "List"),
            ("{..name}", "a b"),
            ("{.items[*].metadata.name}", "a b"),
            ("{.items[-1].n}", "2"),
            ("{.items[0:2].n}", "1 2"),
            ("{.items[1].tags[0,2]}", "p r"),
            ("{.items[1].tags[::2]}", "p r"),
            (
                "{range .items[*]}{.metadata.name}{\"\\t\"}{.n}{\"\\n\"}{end}",
                "a\t1\nb\t2\n",
            ),
            ("{.items[?(@.n>1)].metadata.name}", "b"),
            ("{.items[?(@.metadata.name==\"a\")].n}", "1"),
            ("{.items[?(@.status.ok)].n}", "1"),
            (
                "{.items[0].metadata.labels.app\\.kubernetes\\.io/name}",
                "x",
            ),
            ("{.items[0].status}", "{\"ok\":true}"),
            ("{.nothing.here}", ""),
        ] {
            assert_eq!(render(template), text, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused_where_it_goes_wrong() {
        for template in [
            "{",
            "{.a",
            "{range .items}",
            "{end}",
            "{.a[}",
            "{.a[?(@.b]}",
            "{\"a}",
            "{.a[1:2:0]}",
            "{.a[?(x)]}",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }

    #[test]
    fn bare_paths_are_taken_with_and_without_braces() {
        let document = serde_json::json!({"a": {"b": 7}});
        for path in [".a.b", "{.a.b}", "a.b", "$.a.b"] {
            assert_eq!(
                Path::parse(path).unwrap().find(&document),
                [&serde_json::json!(7)],
                "{path}"
            );
        }
        assert!(Path::parse(".a b").is_err());
    }
}
