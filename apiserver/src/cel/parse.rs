//! From tokens to the syntax tree.

use super::ast::{Call, Expr, Node};
use super::error::Issue;
use super::lex::{Placed, Token, tokens};

/// How deep an expression may nest, and how long a chain of operators may be: upstream's figure.
const MAX_DEPTH: u32 = 250;
/// How many characters an expression may have: upstream's figure.
const MAX_SIZE: usize = 100_000;
/// Binary operators by how tightly they bind, the loosest first.
const LEVELS: &[&[(&str, &str)]] = &[
    &[
        ("<", "_<_"),
        ("<=", "_<=_"),
        (">", "_>_"),
        (">=", "_>=_"),
        ("==", "_==_"),
        ("!=", "_!=_"),
        ("in", "@in"),
    ],
    &[("+", "_+_"), ("-", "_-_")],
    &[("*", "_*_"), ("/", "_/_"), ("%", "_%_")],
];

/// Parses a source.
///
/// # Errors
/// What is wrong with it: the first thing that is.
pub fn parse(source: &str) -> Result<Expr, Issue> {
    let size = source.chars().count();
    if size > MAX_SIZE {
        let message =
            format!("expression code point size exceeds limit: size: {size}, limit {MAX_SIZE}");
        return Err(Issue { at: None, message });
    }
    let mut parser = Parser {
        tokens: tokens(source)?,
        next: 0,
        depth: 0,
    };
    let expr = parser.expr()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("<EOF>")),
    }
}

/// Parses one source.
pub(super) struct Parser {
    tokens: Vec<Placed>,
    pub(super) next: usize,
    /// How many expressions are open.
    depth: u32,
}

/// The issue of an expression that nests too deep.
fn too_deep() -> Issue {
    Issue {
        at: None,
        message: format!("expression recursion limit exceeded: {MAX_DEPTH}"),
    }
}

/// An expression, unless it nests too deep.
pub fn make(at: u32, node: Node) -> Result<Expr, Issue> {
    match node.depth_below() + 1 {
        depth if depth > MAX_DEPTH => Err(too_deep()),
        depth => Ok(Expr { at, depth, node }),
    }
}

/// A call that is no macro.
pub fn call(at: u32, target: Option<Expr>, function: &str, args: Vec<Expr>) -> Result<Expr, Issue> {
    make(
        at,
        Node::Call(Call {
            target: target.map(Box::new),
            function: function.into(),
            args,
            overloads: Vec::new(),
        }),
    )
}

impl Parser {
    fn placed(&self) -> &Placed {
        // The last token is the end, and nothing steps beyond it.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    pub(super) fn peek(&self) -> &Token {
        &self.placed().token
    }

    pub(super) fn at(&self) -> u32 {
        self.placed().at
    }

    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(found) if *found == symbol);
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), Issue> {
        match self.take(symbol) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("'{symbol}'"))),
        }
    }

    pub(super) fn unexpected(&self, wanted: &str) -> Issue {
        let found = match self.peek() {
            Token::Ident(name) => name.to_string(),
            Token::Symbol(symbol) => (*symbol).to_owned(),
            Token::Int(value) => value.to_string(),
            Token::Uint(value) => format!("{value}u"),
            Token::Double(value) => value.to_string(),
            Token::String(text) => format!("\"{text}\""),
            Token::Bytes(_) => "bytes".to_owned(),
            Token::End => "<EOF>".to_owned(),
        };
        Issue::new(
            self.at(),
            format!("Syntax error: mismatched input '{found}' expecting {wanted}"),
        )
    }

    pub(super) fn expr(&mut self) -> Result<Expr, Issue> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let condition = self.or()?;
        let at = self.at();
        let expr = if self.take("?") {
            let then = self.or()?;
            self.expect(":")?;
            let other = self.expr()?;
            make(at, Node::Ternary(Box::new([condition, then, other])))?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn or(&mut self) -> Result<Expr, Issue> {
        self.logical("||", Node::Or, |parser| {
            parser.logical("&&", Node::And, |parser| parser.binary(0))
        })
    }

    fn logical(
        &mut self,
        symbol: &str,
        node: fn(Vec<Expr>) -> Node,
        operand: impl Fn(&mut Parser) -> Result<Expr, Issue>,
    ) -> Result<Expr, Issue> {
        let mut all = vec![operand(self)?];
        let at = self.at();
        while self.take(symbol) {
            all.push(operand(self)?);
        }
        match all.len() {
            1 => Ok(all.remove(0)),
            _ => make(at, node(all)),
        }
    }

    fn binary(&mut self, level: usize) -> Result<Expr, Issue> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        loop {
            let spelled = match self.peek() {
                Token::Symbol(symbol) => *symbol,
                Token::Ident(word) => &**word,
                _ => return Ok(left),
            };
            let found = operators.iter().find(|(symbol, _)| *symbol == spelled);
            let Some((_, function)) = found else {
                return Ok(left);
            };
            let at = self.at();
            self.next += 1;
            let right = self.binary(level + 1)?;
            left = call(at, None, function, vec![left, right])?;
        }
    }

    fn unary(&mut self) -> Result<Expr, Issue> {
        for (symbol, function) in [("!", "!_"), ("-", "-_")] {
            let at = self.at();
            let mut count = 0;
            while self.take(symbol) {
                count += 1;
            }
            if count == 0 {
                continue;
            }
            if symbol == "-"
                && count == 1
                && matches!(self.peek(), Token::Int(_) | Token::Double(_))
            {
                return self.negative(at);
            }
            let operand = self.member()?;
            // Two of them are none.
            return match count % 2 {
                0 => Ok(operand),
                _ => call(at, None, function, vec![operand]),
            };
        }
        self.member()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::Value;

    #[test]
    fn operators_bind_as_they_should() {
        let Node::Ternary(parts) = parse("a || b && !c == d ? 1 + 2 * 3 : -4").unwrap().node else {
            panic!("no ternary");
        };
        assert!(matches!(&parts[0].node, Node::Or(all) if all.len() == 2));
        assert!(matches!(&parts[1].node, Node::Call(call) if &*call.function == "_+_"));
        assert!(matches!(parts[2].node, Node::Literal(Value::Int(-4))));
    }

    #[test]
    fn objects_have_qualified_names() {
        let expr = parse("Object{spec: Object.spec{replicas: 3,},}").unwrap();
        let Node::Struct(name, fields) = expr.node else {
            panic!("no object");
        };
        assert_eq!((&*name, &*fields[0].name), ("Object", "spec"));
        assert!(matches!(&fields[0].value.node, Node::Struct(name, _) if &**name == "Object.spec"));
    }

    #[test]
    fn reserved_words_name_fields_only() {
        assert!(parse("object.metadata.namespace").is_ok());
        let issue = parse("namespace").unwrap_err();
        assert_eq!(issue.message, "reserved identifier: namespace");
    }

    #[test]
    fn what_nests_too_deep_is_refused() {
        // Without optimization frames are several times as large: the stack that threads have is for release builds.
        let parsing = std::thread::Builder::new().stack_size(64 << 20);
        parsing.spawn(refuse_what_nests).unwrap().join().unwrap();
    }

    fn refuse_what_nests() {
        for source in [
            "(".repeat(100_000),
            "[".repeat(99_000),
            "!".repeat(50_000) + "(" + &"-(".repeat(400),
            "1".to_owned() + &"+1".repeat(400),
            "a".to_owned() + &".b".repeat(400),
            "x?y:".repeat(9_000) + "z",
            "1".repeat(100_001),
        ] {
            let issue = parse(&source).unwrap_err();
            assert!(issue.message.contains("limit"), "{}", issue.message);
        }
        let many = "a".to_owned() + &" && a".repeat(10_000);
        assert!(parse(&many).is_ok());
    }
}
