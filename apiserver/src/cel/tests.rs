//! Expressions from source to value.

use std::collections::HashMap;

use serde_json::json;

use super::*;

struct Variables(HashMap<&'static str, Value>);

impl Activation for Variables {
    fn variable(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }
}

fn env() -> Environment {
    Environment::default()
        .variable("object", Type::Dyn)
        .variable("text", Type::String)
        .variable("request", Type::Struct("Request".into()))
        .object("Request", &[("name", Type::String), ("dryRun", Type::Bool)])
        .with_patches()
}

fn object() -> Value {
    from_json(&json!({
        "spec": {"replicas": 3, "half": 1.5, "list": [1, 2, 3], "names": ["b", "a"], "nothing": null},
        "metadata": {"name": "n", "namespace": "ns", "labels": {"a": "1", "b": "2"}}
    }))
    .unwrap()
}

fn run(source: &str) -> Result<Value, String> {
    let program = env()
        .compile(source, &[])
        .map_err(|error| error.to_string())?;
    let variables = HashMap::from([("object", object()), ("text", Value::from("hällo"))]);
    let outcome = program.eval(&Variables(variables), 0);
    outcome.value.map_err(|error| error.to_string())
}

fn holds(source: &str) {
    match run(source) {
        Ok(Value::Bool(true)) => {}
        other => panic!("{source}: {other:?}"),
    }
}

fn fails(source: &str, message: &str) {
    match run(source) {
        Err(error) => assert!(error.contains(message), "{source}: {error}"),
        Ok(value) => panic!("{source}: {value:?}"),
    }
}

#[test]
fn operators() {
    for source in [
        "1 + 2 * 3 == 7",
        "-7 / 2 == -3 && -7 % 2 == -1",
        "object.spec.replicas > 2.5",
        "object.spec.replicas == 3.0",
        "'a' + 'b' == 'ab' && [1] + [2] == [1, 2]",
        "'a' in ['a'] && !('c' in object.metadata.labels)",
        "object.spec.replicas % 2 == 1 ? true : false",
        "object.metadata.namespace == 'ns'",
        "object['metadata']['name'] == 'n' && object.spec.list[2] == 3",
        "has(object.spec.replicas) && !has(object.spec.selector)",
        "object.spec.nothing == null",
        "type(1) == int && type('a') != int",
        "b'abc' < b'abd' && 0x10 == 16 && 1u + 2u == 3u",
        "dyn(1) == 1.0 && dyn(1) != 'a'",
    ] {
        holds(source);
    }
}

#[test]
fn an_error_does_not_matter_where_something_else_decides() {
    holds("object.none == 1 || true");
    holds("!(object.none == 1 && false)");
    holds("[1, 2].exists(x, x / 0 == 1 || x == 2)");
    fails("object.none == 1 || false", "no such key: none");
    fails("[1, 2].all(x, x / 0 == 1)", "division by zero");
}

#[test]
fn walks() {
    for source in [
        "object.spec.list.all(x, x > 0) && object.spec.list.exists(x, x == 2)",
        "object.spec.list.exists_one(x, x > 2) && !object.spec.list.existsOne(x, x > 1)",
        "object.spec.list.map(x, x * 2) == [2, 4, 6]",
        "object.spec.list.map(x, x > 1, x * 2) == [4, 6]",
        "object.spec.list.filter(x, x > 1) == [2, 3]",
        "object.metadata.labels.all(k, object.metadata.labels[k] != '')",
        "object.metadata.labels.transformList(k, v, k + v) == ['a1', 'b2']",
        "[1, 2].transformMap(i, v, v * 10) == {0: 10, 1: 20}",
        "object.metadata.labels.exists(k, v, k == 'b' && v == '2')",
        "[[1, 2], [3]].all(x, x.all(y, y > 0 && x.size() > 0))",
        "['bb', 'a'].sortBy(x, x.size()) == ['a', 'bb']",
    ] {
        holds(source);
    }
}

#[test]
fn functions_of_text_and_lists() {
    for source in [
        "text.size() == 5 && size(text) == 5 && text.charAt(1) == 'ä'",
        "text.indexOf('l') == 2 && text.lastIndexOf('l') == 3 && text.indexOf('l', 3) == 3",
        "text.substring(1, 3) == 'äl' && text.substring(4) == 'o'",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "['a', 'b'].join('-') == 'a-b' && ' a '.trim() == 'a'",
        "'aXa'.lowerAscii() == 'axa' && 'aa'.replace('a', 'b', 1) == 'ba'",
        "'abc'.startsWith('a') && 'abc'.endsWith('c') && 'abc'.contains('b')",
        "'abc123'.matches('^[a-z]+[0-9]+$') && 'abc123'.find('[0-9]+') == '123'",
        "'a1b2'.findAll('[0-9]') == ['1', '2'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
        "[1, 2].sum() == 3 && [2, 1].min() == 1 && [2, 1].max() == 2 && ![2, 1].isSorted()",
        "['x', 'y'].indexOf('y') == 1 && [1, 1].lastIndexOf(1) == 1",
        "[1, 2, 1].distinct() == [1, 2] && [[1], [2]].flatten() == [1, 2]",
        "sets.contains([1, 2], [1]) && sets.equivalent([1, 1], [1]) && sets.intersects([1], [1, 2])",
        "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1k').asInteger() == 1000",
        "quantity('100m').add(quantity('0.9')) == quantity('1') && isQuantity('1x') == false",
        "string(3) + string(true) == '3true' && int('7') == 7 && double('1.5') == 1.5",
        "timestamp('2024-01-02T03:04:05Z').getFullYear() == 2024",
        "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')",
        "jsonpatch.escapeKey('a/b~c') == 'a~1b~0c'",
    ] {
        holds(source);
    }
}

#[test]
fn optionals() {
    for source in [
        "object.?spec.?replicas.orValue(1) == 3",
        "object.?status.?replicas.orValue(1) == 1",
        "!object.?status.hasValue() && object.spec.list[?7].orValue(0) == 0",
        "optional.of(1).optMap(x, x + 1).value() == 2",
        "[?optional.none(), 1] == [1] && {?'a': optional.of(1)} == {'a': 1}",
        "object.metadata.?labels['a'].orValue('') == '1'",
        "[1, 2].first().value() == 1 && [1, 2].last().value() == 2 && !dyn([]).first().hasValue()",
        "[optional.of(1), optional.none()].unwrapOpt() == [1]",
    ] {
        holds(source);
    }
    fails("optional.none().value()", "optional.none() dereference");
}

#[test]
fn what_is_not_there_is_named() {
    for (source, message) in [
        (
            "foo.bar",
            "compilation failed: ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo.bar\n | ^",
        ),
        (
            "foo(1)",
            "<input>:1:4: undeclared reference to 'foo' (in container '')",
        ),
        (
            "ip('1.1.1.1')",
            "undeclared reference to 'ip' (in container ''): not supported",
        ),
        (
            "'a'.format([1])",
            "undeclared reference to 'format' (in container ''): not supported",
        ),
        ("request.bogus", "<input>:1:8: undefined field 'bogus'"),
        (
            "1 + 'a'",
            "<input>:1:3: found no matching overload for '_+_' applied to '(int, string)'",
        ),
        (
            "'a'.size(1)",
            "found no matching overload for 'size' applied to 'string.(int)'",
        ),
        (
            "request.name > 1",
            "found no matching overload for '_>_' applied to '(string, int)'",
        ),
        ("[1, 'a']", "expected type 'int' but found 'string'"),
        (
            "1.all(x, true)",
            "expression of type 'int' cannot be range of a comprehension",
        ),
        ("text.foo", "type 'string' does not support field selection"),
        (
            "JSONPatch{op: 1}",
            "expected type of field 'op' is 'string' but provided type is 'int'",
        ),
        (
            "Foo{a: 1}",
            "undeclared reference to 'Foo' (in container '')",
        ),
        (
            "[object.a, 1]",
            "<input>:1:12: expected type 'dyn' but found 'int'",
        ),
        ("'a'.matches('(')", "<input>:1:13: invalid matches argument"),
        ("duration('x')", "<input>:1:10: invalid duration argument"),
        (
            "int('x')",
            "program instantiation failed: type conversion error from 'string' to 'int'",
        ),
        ("has(object)", "invalid argument to has() macro"),
        ("1 +", "Syntax error: "),
        ("object.spec.replicas > '1' + 1", "no matching overload"),
    ] {
        fails(source, message);
    }
}

#[test]
fn the_type_of_the_value_is_asked_for() {
    let error = env().compile("1", &[Type::Bool]).unwrap_err();
    assert_eq!(error.to_string(), "must evaluate to bool but got int");
    let error = env()
        .compile("object.spec", &[Type::String, Type::Null])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "must evaluate to one of [string null_type] but got dyn"
    );
    let patch = Type::list(Type::Struct("JSONPatch".into()));
    let source = "object.a ? [JSONPatch{op: 'remove', path: '/x'}] : []";
    assert!(env().compile(source, &[patch]).is_ok());
    let source = "Object{spec: Object.spec{replicas: 3}}";
    assert!(
        env()
            .compile(source, &[Type::Struct("Object".into())])
            .is_ok()
    );
}

#[test]
fn types_that_are_known_late_fail_late() {
    fails("'replicas: ' + object.spec.replicas", "no such overload");
    fails("object.spec + 1 == 2", "no such overload: _+_");
    fails("object.spec > 1", "no such overload: _>_");
    fails("object.spec.replicas + 'a' == 'b'", "no such overload");
    fails("1 in object.metadata.name", "no such overload");
    fails("!object.spec", "no such overload");
    fails("-object.spec == 1", "no such overload: -_");
    fails("size(object.spec.replicas) == 1", "no such overload: size");
    fails("object.spec.list.all(x, x.foo)", "no such key: foo");
    fails(
        "[double('NaN'), 1.0].sort() == []",
        "list elements must have the same type",
    );
    fails("object.spec.list[9]", "index out of bounds: 9");
    fails(
        "object.metadata.name.indexOf(object.spec.replicas) == 1",
        "no such overload: indexOf(string, int)",
    );
    fails(
        "9223372036854775807 + object.spec.replicas > 0",
        "integer overflow",
    );
}

#[test]
fn what_costs_too_much_is_ended() {
    let numbers: Vec<i64> = (0..2000).collect();
    let list = from_json(&json!(numbers)).unwrap();
    let variables = || {
        Variables(HashMap::from([
            ("object", list.clone()),
            ("text", Value::from("a")),
        ]))
    };
    let cost = |source: &str| {
        let program = env().compile(source, &[]).unwrap();
        program.eval(&variables(), 0)
    };
    let outcome = cost("object.all(x, object.all(y, x + y >= 0))");
    assert_eq!(outcome.value.unwrap_err(), Error::CostLimit);
    // Not even where an error would not matter.
    let outcome = cost("object.all(x, object.all(y, x + y >= 0)) || true");
    assert_eq!(outcome.value.unwrap_err(), Error::CostLimit);
    let outcome = cost("object.all(x, x >= 0)");
    assert!(outcome.value.is_ok() && outcome.cost > 2000 && outcome.cost < 20_000);
    let doubled = "text".to_owned() + &".replace('a', 'aaaaaaaaaaaaaaaa')".repeat(20);
    assert_eq!(cost(&doubled).value.unwrap_err(), Error::CostLimit);
    let outcome = cost("object.all(x, 'a'.matches(string(x) + '(b{50}){50}') || true)");
    assert_eq!(outcome.value.unwrap_err(), Error::CostLimit);
}

#[test]
fn objects_become_json() {
    let value =
        run("Object{metadata: Object.metadata{labels: {'a': 'b'}}, ?x: optional.none()}").unwrap();
    let json = to_json(&value).unwrap();
    assert_eq!(json, json!({"metadata": {"labels": {"a": "b"}}}));
    assert!(to_json(&Value::Optional(None)).is_err());
}
