//! What operators stand between: literals, names, calls, selections, lists, maps and objects.

use std::sync::Arc;

use super::ast::{Expr, Field, Node};
use super::error::Issue;
use super::lex::Token;
use super::macros;
use super::parse::{Parser, make};
use super::value::Value;

/// Words that are no names of variables.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];
impl Parser {
    /// A number with a sign, which belongs to it: the least integer has no positive one.
    pub(super) fn negative(&mut self, at: u32) -> Result<Expr, Issue> {
        let value = match *self.peek() {
            Token::Int(value) => {
                let value = 0_i64.checked_sub_unsigned(value);
                Value::Int(value.ok_or_else(|| Issue::new(at, "invalid int literal"))?)
            }
            Token::Double(value) => Value::Double(-value),
            _ => return self.member(),
        };
        self.next += 1;
        let literal = make(at, Node::Literal(value))?;
        self.suffixes(literal)
    }

    pub(super) fn member(&mut self) -> Result<Expr, Issue> {
        let primary = self.primary()?;
        self.suffixes(primary)
    }

    fn suffixes(&mut self, mut expr: Expr) -> Result<Expr, Issue> {
        loop {
            let at = self.at();
            if self.take(".") {
                let optional = self.take("?");
                let name = self.name()?;
                let open = self.at();
                expr = if !optional && self.take("(") {
                    let args = self.list(")", Parser::expr)?;
                    macros::member(open, expr, &name, args)?
                } else {
                    make(at, Node::Select(Box::new(expr), name, optional))?
                };
            } else if self.take("[") {
                let optional = self.take("?");
                let index = self.expr()?;
                self.expect("]")?;
                expr = make(at, Node::Index(Box::new(expr), Box::new(index), optional))?;
            } else if let (Token::Symbol("{"), Some(name)) = (self.peek(), expr.qualified_name()) {
                self.next += 1;
                let fields = self.list("}", Parser::field)?;
                expr = make(at, Node::Struct(name.into(), fields))?;
            } else {
                return Ok(expr);
            }
        }
    }

    /// A field's name: reserved words may be one, but `in`.
    fn name(&mut self) -> Result<Arc<str>, Issue> {
        match self.peek().clone() {
            Token::Ident(name) if !matches!(&*name, "in" | "true" | "false" | "null") => {
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("IDENTIFIER")),
        }
    }

    /// Items between commas, one of which may stand before the end.
    fn list<T>(
        &mut self,
        end: &str,
        item: impl Fn(&mut Parser) -> Result<T, Issue>,
    ) -> Result<Vec<T>, Issue> {
        let mut items = Vec::new();
        while !self.take(end) {
            items.push(item(self)?);
            if !self.take(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(items)
    }

    fn field(&mut self) -> Result<Field, Issue> {
        let optional = self.take("?");
        let name = self.name()?;
        let at = self.at();
        self.expect(":")?;
        Ok(Field {
            at,
            name,
            value: self.expr()?,
            optional,
        })
    }

    fn primary(&mut self) -> Result<Expr, Issue> {
        let at = self.at();
        let literal = match self.peek().clone() {
            Token::Int(value) => {
                let value = i64::try_from(value);
                Value::Int(value.map_err(|_| Issue::new(at, "invalid int literal"))?)
            }
            Token::Uint(value) => Value::Uint(value),
            Token::Double(value) => Value::Double(value),
            Token::String(text) => Value::from(text),
            Token::Bytes(bytes) => Value::Bytes(bytes.into()),
            Token::Ident(word) => match &*word {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => return self.ident(at),
            },
            Token::Symbol(symbol) => return self.opened(at, symbol),
            Token::End => return Err(self.unexpected("an expression")),
        };
        self.next += 1;
        make(at, Node::Literal(literal))
    }

    fn opened(&mut self, at: u32, symbol: &str) -> Result<Expr, Issue> {
        if !matches!(symbol, "(" | "[" | "{" | ".") {
            return Err(self.unexpected("an expression"));
        }
        self.next += 1;
        match symbol {
            "(" => {
                let expr = self.expr()?;
                self.expect(")")?;
                Ok(expr)
            }
            "[" => {
                let items = self.list("]", |parser| {
                    let optional = parser.take("?");
                    Ok((parser.expr()?, optional))
                })?;
                make(at, Node::List(items))
            }
            "{" => {
                let entries = self.list("}", |parser| {
                    let optional = parser.take("?");
                    let key = parser.expr()?;
                    parser.expect(":")?;
                    Ok((key, parser.expr()?, optional))
                })?;
                make(at, Node::Map(entries))
            }
            // A name of the outermost container, which is the only one.
            _ => self.ident(at),
        }
    }

    fn ident(&mut self, at: u32) -> Result<Expr, Issue> {
        let name = self.name()?;
        if RESERVED.contains(&&*name) {
            return Err(Issue::new(at, format!("reserved identifier: {name}")));
        }
        let open = self.at();
        if self.take("(") {
            let args = self.list(")", Parser::expr)?;
            return macros::global(open, &name, args);
        }
        make(at, Node::Ident(name))
    }
}
