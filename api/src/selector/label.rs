//! Label selectors: `app=web,tier in (a,b),!canary`.
//!
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::codec::quote;
use crate::names;

/// All of its requirements must hold; without requirements it selects everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// What is asked of one label.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

/// How a label's value is compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operator {
    /// `=`
    Equals,
    /// `==`
    DoubleEquals,
    /// `!=`; holds without the label too.
    NotEquals,
    /// `in`
    In,
    /// `notin`; holds without the label too.
    NotIn,
    /// The key alone.
    Exists,
    /// `!` and the key.
    DoesNotExist,
    /// `>`, as integers.
    GreaterThan,
    /// `<`, as integers.
    LessThan,
}

/// Text that is no label selector; the words are upstream's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Something else than what may stand there.
    #[error("found '{found}', expected: {expected}")]
    Found {
        /// What stands there.
        found: String,
        /// What may.
        expected: &'static str,
    },
    /// A value set that does not begin with a parenthesis.
    #[error("found '{0}' expected: '('")]
    NoParenthesis(String),
    /// A requirement with one of these errors.
    #[error("unable to parse requirement: {0}")]
    Requirement(Box<ParseError>),
    /// A key or value that is none.
    #[error(transparent)]
    Invalid(#[from] InvalidRequirement),
}

/// A requirement that asks something impossible; the words are upstream's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidRequirement(Vec<String>);

impl fmt::Display for InvalidRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [only] => f.write_str(only),
            many => write!(f, "[{}]", many.join(", ")),
        }
    }
}

impl std::error::Error for InvalidRequirement {}

impl Requirement {
    /// A requirement; values are sorted, each kept once.
    ///
    /// # Errors
    /// When the key or a value is none, or there are too few or too many values for the operator.
    pub fn new(
        key: impl Into<String>,
        operator: Operator,
        values: impl IntoIterator<Item = String>,
    ) -> Result<Requirement, InvalidRequirement> {
        let key = key.into();
        let values: Vec<String> = values
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut errors = Vec::new();
        let mut invalid = |path: &str, value: &str, messages: &[String]| {
            if !messages.is_empty() {
                errors.push(format!(
                    "{path}: Invalid value: {value}: {}",
                    messages.join("; ")
                ));
            }
        };
        invalid("key", &quote(&key), &names::label_key(&key));
        let listed = || match values.is_empty() {
            true => "[]".to_owned(),
            false => format!(
                "[{}]",
                values
                    .iter()
                    .map(|value| quote(value))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
        };
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                invalid(
                    "values",
                    &listed(),
                    &["for 'in', 'notin' operators, values set can't be empty".to_owned()],
                );
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals
                if values.len() != 1 =>
            {
                invalid(
                    "values",
                    &listed(),
                    &["exact-match compatibility requires one single value".to_owned()],
                );
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                let message = "values set must be empty for exists and does not exist";
                invalid("values", &listed(), &[message.to_owned()]);
            }
            Operator::GreaterThan | Operator::LessThan => {
                if values.len() != 1 {
                    let message = "for 'Gt', 'Lt' operators, exactly one value is required";
                    invalid("values", &listed(), &[message.to_owned()]);
                }
                for (index, value) in values
                    .iter()
                    .enumerate()
                    .filter(|(_, value)| value.parse::<i64>().is_err())
                {
                    let message = "for 'Gt', 'Lt' operators, the value must be an integer";
                    invalid(
                        &format!("values[{index}]"),
                        &quote(value),
                        &[message.to_owned()],
                    );
                }
            }
            _ => {}
        }
        for (index, value) in values.iter().enumerate() {
            invalid(
                &format!("values[{index}][{key}]"),
                &quote(value),
                &names::label_value(value),
            );
        }
        if errors.is_empty() {
            Ok(Requirement {
                key,
                operator,
                values,
            })
        } else {
            Err(InvalidRequirement(errors))
        }
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How the value is compared.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// What it is compared with, sorted.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether it holds for the label's value; none where the label is absent.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|listed| listed == value);
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => value.is_some_and(listed),
            Operator::NotEquals | Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let number = |text: &str| text.parse::<i64>().ok();
                match (
                    value.and_then(number),
                    self.values.first().and_then(|value| number(value)),
                ) {
                    (Some(label), Some(bound)) if self.operator == Operator::GreaterThan => {
                        label > bound
                    }
                    (Some(label), Some(bound)) => label < bound,
                    _ => false,
                }
            }
        }
    }
}

impl LabelSelector {
    /// Selects everything.
    pub fn everything() -> LabelSelector {
        LabelSelector::default()
    }

    /// Of these requirements, sorted by key.
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> LabelSelector {
        let mut requirements: Vec<Requirement> = requirements.into_iter().collect();
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        LabelSelector { requirements }
    }

    /// Its requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object is selected, given how to find its labels.
    pub fn matches<'v>(&self, label: impl Fn(&str) -> Option<&'v str>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(label(&requirement.key)))
    }

    /// The one value that a label must have, if the first requirement on it says so.
    pub fn required(&self, key: &str) -> Option<&str> {
        let requirement = self
            .requirements
            .iter()
            .find(|requirement| requirement.key == key)?;
        match (requirement.operator, &requirement.values[..]) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            write!(f, "{}{requirement}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for LabelSelector {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<LabelSelector, ParseError> {
        Parser {
            tokens: scan(text),
            at: 0,
        }
        .selector()
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    /// A key, a value, or one of the words `in` and `notin`.
    Word(String),
    /// `=`, `==`, `!=`, `!`, `<`, `>`, `(`, `)`, `,`
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "<", ">", "(", ")", ","];

fn scan(text: &str) -> Vec<Token> {
    let is_special = |c: char| "=!(),><".contains(c);
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut tokens = Vec::new();
    // A NUL ends the text, as it does upstream.
    let mut rest = text.split('\0').next().unwrap_or_default();
    loop {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            tokens.push(Token::End);
            return tokens;
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let end = rest
                .find(|c| is_special(c) || is_space(c))
                .unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn expected<T>(token: &Token, expected: &'static str) -> Result<T, ParseError> {
        Err(ParseError::Found {
            found: literal(token).to_owned(),
            expected,
        })
    }

    fn selector(mut self) -> Result<LabelSelector, ParseError> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::End => return Ok(LabelSelector::new(requirements)),
                Token::Word(_) | Token::Symbol("!") => {}
                other => return Parser::expected(other, "!, identifier, or 'end of string'"),
            }
            requirements.push(
                self.requirement()
                    .map_err(|error| ParseError::Requirement(Box::new(error)))?,
            );
            match self.next() {
                Token::End => return Ok(LabelSelector::new(requirements)),
                Token::Symbol(",") => match self.peek() {
                    Token::Word(_) | Token::Symbol("!") => {}
                    other => return Parser::expected(other, "identifier after ','"),
                },
                other => return Parser::expected(&other, "',' or 'end of string'"),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, ParseError> {
        let negated = *self.peek() == Token::Symbol("!");
        if negated {
            self.at += 1;
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Parser::expected(&other, "identifier"),
        };
        let errors = names::label_key(&key);
        if !errors.is_empty() {
            let message = format!(
                "<nil>: Invalid value: {}: {}",
                quote(&key),
                errors.join("; ")
            );
            return Err(InvalidRequirement(vec![message]).into());
        }
        if negated {
            return Ok(Requirement::new(key, Operator::DoesNotExist, [])?);
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(Requirement::new(key, Operator::Exists, [])?);
        }
        let operator = match self.next() {
            Token::Word(word) if word == "in" => Operator::In,
            Token::Word(word) if word == "notin" => Operator::NotIn,
            Token::Symbol("=") => Operator::Equals,
            Token::Symbol("==") => Operator::DoubleEquals,
            Token::Symbol("!=") => Operator::NotEquals,
            Token::Symbol(">") => Operator::GreaterThan,
            Token::Symbol("<") => Operator::LessThan,
            other => return Parser::expected(&other, "in, notin, =, ==, !=, gt, lt"),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.value()?],
        };
        Ok(Requirement::new(key, operator, values)?)
    }

    fn value(&mut self) -> Result<String, ParseError> {
        match self.peek().clone() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Word(value) => {
                self.at += 1;
                Ok(value)
            }
            other => Parser::expected(&other, "identifier"),
        }
    }

    /// A set in parentheses; between commas, and within empty parentheses, stands the empty value.
    fn values(&mut self) -> Result<Vec<String>, ParseError> {
        match self.next() {
            Token::Symbol("(") => {}
            other => return Err(ParseError::NoParenthesis(literal(&other).to_owned())),
        }
        match self.peek() {
            Token::Word(_) | Token::Symbol("," | ")") => {}
            other => return Parser::expected(other, "',', ')' or identifier"),
        }
        let mut values = Vec::new();
        loop {
            match self.next() {
                Token::Word(value) => {
                    values.push(value);
                    match self.next() {
                        Token::Symbol(",") if *self.peek() != Token::Symbol(")") => {}
                        Token::Symbol(",") => values.push(String::new()),
                        Token::Symbol(")") => return Ok(values),
                        other => return Parser::expected(&other, "',' or ')'"),
                    }
                }
                Token::Symbol(",") => values.push(String::new()),
                Token::Symbol(")") => {
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                other => return Parser::expected(&other, "',', or identifier"),
            }
        }
    }
}

fn literal(token: &Token) -> &str {
    match token {
        Token::Word(text) => text,
        Token::Symbol(symbol) => symbol,
        Token::End => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> LabelSelector {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn selectors_are_written_in_their_normal_form() {
        for (text, normal) in [
            ("", ""),
            ("x", "x"),
            ("!x", "!x"),
            ("b=c,a==b,z!=", "a==b,b=c,z!="),
            (
                "x in (foo,,baz),y,z notin ()",
                "x in (,baz,foo),y,z notin ()",
            ),
            ("in in (in,notin)", "in in (in,notin)"),
            ("x in (,)", "x in ()"),
            ("x in (a,)", "x in (,a)"),
            ("x>1,y<2", "x>1,y<2"),
            ("  a  =  b  ", "a=b"),
        ] {
            assert_eq!(parse(text).to_string(), normal, "{text}");
        }
    }

    #[test]
    fn requirements_hold_as_upstream_has_them() {
        let labels = |key: &str| match key {
            "app" => Some("web"),
            "n" => Some("5"),
            "empty" => Some(""),
            _ => None,
        };
        for (text, holds) in [
            ("app=web", true),
            ("app!=web", false),
            ("gone!=web", true),
            ("app in (api,web)", true),
            ("gone in (web)", false),
            ("gone notin (web)", true),
            ("app notin (web)", false),
            ("app,!gone", true),
            ("n>4,n<6", true),
            ("app>4", false),
            ("gone<4", false),
            ("empty=", true),
        ] {
            assert_eq!(parse(text).matches(labels), holds, "{text}");
        }
        assert_eq!(parse("app in (web),x=y").required("app"), Some("web"));
        assert_eq!(parse("app in (web,api)").required("app"), None);
    }

    #[test]
    fn mistakes_are_told_in_upstreams_words() {
        for (text, message) in [
            (
                ",",
                "found ',', expected: !, identifier, or 'end of string'",
            ),
            ("a,", "found '', expected: identifier after ','"),
            (
                "a b",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            (
                "a in b",
                "unable to parse requirement: found 'b' expected: '('",
            ),
            (
                "a in (b",
                "unable to parse requirement: found '', expected: ',' or ')'",
            ),
            (
                "a in (b c)",
                "unable to parse requirement: found 'c', expected: ',' or ')'",
            ),
            (
                "!",
                "unable to parse requirement: found '', expected: identifier",
            ),
            (
                "a>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ] {
            assert_eq!(
                text.parse::<LabelSelector>().unwrap_err().to_string(),
                message,
                "{text}"
            );
        }
        let error = "a@=b".parse::<LabelSelector>().unwrap_err().to_string();
        assert!(
            error.starts_with(
                "unable to parse requirement: <nil>: Invalid value: \"a@\": name part must"
            ),
            "{error}"
        );
        let error = "a=b@".parse::<LabelSelector>().unwrap_err().to_string();
        assert!(
            error.starts_with(
                "unable to parse requirement: values[0][a]: Invalid value: \"b@\": a valid label"
            ),
            "{error}"
        );
    }
}
