//! Round trips and hostile input, on every type of the built-in schema.
#![allow(clippy::unwrap_used)]

use api::codec::{json, protobuf, yaml};
use api::schema::{Scalar, Schema, Shape, TypeId};
use api::{Tree, Value};
use proptest::prelude::*;

fn pod() -> TypeId {
    Schema::builtin().type_of_kind("", "v1", "Pod").unwrap()
}

fn read(ty: TypeId, text: &str) -> Tree {
    json::decode(
        Schema::builtin(),
        ty,
        text.as_bytes().to_vec(),
        &mut json::Strict::new(),
    )
    .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn shown(tree: &Tree) -> String {
    String::from_utf8(json::to_vec(tree)).unwrap()
}

/// A source of choices that a test case is made from.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }
}

/// JSON of a type with fields as the choices have them.
fn object(
    schema: &Schema,
    ty: TypeId,
    choices: &mut Choices<'_>,
    depth: usize,
) -> serde_json::Value {
    let ty = schema.ty(ty);
    let mut out = serde_json::Map::new();
    for field in &ty.fields {
        if choices.next().is_multiple_of(4) {
            out.insert(
                field.name.clone(),
                value(schema, &field.shape, choices, depth),
            );
        }
    }
    out.into()
}

fn value(
    schema: &Schema,
    shape: &Shape,
    choices: &mut Choices<'_>,
    depth: usize,
) -> serde_json::Value {
    let choice = choices.next();
    match shape {
        Shape::Message(ty) if depth == 0 || schema.ty(*ty).union => serde_json::Value::Null,
        Shape::Message(ty) => object(schema, *ty, choices, depth - 1),
        Shape::List(element) => (0..choice % 3)
            .map(|_| value(schema, element, choices, depth))
            .collect(),
        Shape::Map(element) => (0..choice % 3)
            .map(|key| (format!("k{key}<"), value(schema, element, choices, depth)))
            .collect(),
        Shape::Scalar(scalar) => match scalar {
            Scalar::String => ["", "a", "é<&>\u{2028}\"\\\n", "0"][usize::from(choice % 4)].into(),
            Scalar::Bool => (choice.is_multiple_of(2)).into(),
            Scalar::Int32 => [0, 1, -1, i32::MAX, i32::MIN][usize::from(choice % 5)].into(),
            Scalar::Int64 => [0, 1, -1, i64::MAX, i64::MIN][usize::from(choice % 5)].into(),
            Scalar::Double => [0.0, 1.5, -1e30][usize::from(choice % 3)].into(),
            Scalar::Bytes => ["", "aGVsbG8=", "AA=="][usize::from(choice % 3)].into(),
            Scalar::Quantity => ["0", "1", "100m", "1.5Gi", "1e3"][usize::from(choice % 5)].into(),
            Scalar::IntOrString if choice.is_multiple_of(2) => 80.into(),
            Scalar::IntOrString => ["", "80", "25%"][usize::from(choice % 3)].into(),
            Scalar::Time => "2026-01-02T03:04:05Z".into(),
            Scalar::MicroTime => "2026-01-02T03:04:05.000006Z".into(),
            Scalar::Duration => ["0s", "1h0m0s"][usize::from(choice % 2)].into(),
            Scalar::RawExtension | Scalar::FieldsV1 | Scalar::Json => {
                serde_json::json!({"a": [1, null, "x"]})
            }
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back_equal(kind in any::<u16>(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let schema = Schema::builtin();
        let count = schema.types().count();
        let ty = TypeId((usize::from(kind) % count) as u16);
        let source = object(schema, ty, &mut Choices(bytes.iter()), 6).to_string();
        let tree = read(ty, &source);
        let text = shown(&tree);

        // JSON is stable, and equal as a value.
        let again = read(ty, &text);
        prop_assert_eq!(&shown(&again), &text);
        prop_assert!(again == tree);

        // A copy without garbage is the same, and so is a tree filled field by field.
        let mut compact = tree.clone();
        compact.compact();
        prop_assert_eq!(&shown(&compact), &text);
        let mut copy = Tree::new(ty);
        for (id, value) in tree.root().fields() {
            copy.root_mut().set_copy(id, value);
        }
        prop_assert_eq!(&shown(&copy), &text);

        // YAML says the same.
        if !schema.ty(ty).union {
            let yaml = yaml::to_string(&tree);
            let from_yaml = yaml::decode(schema, ty, yaml.as_bytes(), &mut json::Strict::new()).unwrap();
            // RawExtension keeps bytes, whose keys YAML sorts: compare as values.
            let value = |tree: &Tree| serde_json::from_slice::<serde_json::Value>(&json::to_vec(tree)).unwrap();
            prop_assert_eq!(value(&from_yaml), value(&tree));
        }

        // Protobuf is stable after one pass (in which empty lists become absent).
        let wire = protobuf::to_vec(&tree);
        let from_wire = protobuf::decode(schema, ty, wire.clone()).unwrap();
        prop_assert_eq!(protobuf::to_vec(&from_wire), wire);
    }

    #[test]
    fn decoders_never_panic(kind in any::<u16>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let schema = Schema::builtin();
        let ty = TypeId((usize::from(kind) % schema.types().count()) as u16);
        if let Ok(tree) = protobuf::decode(schema, ty, bytes.clone()) {
            let text = shown(&tree);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
        _ = json::decode(schema, ty, bytes.clone(), &mut json::Strict::new());
        _ = yaml::to_json(&bytes, &mut json::Strict::new());
        _ = protobuf::unwrap_unknown(&bytes);
        _ = json::type_meta(&bytes);
    }

    #[test]
    fn damaged_objects_never_panic(cut in any::<prop::sample::Index>(), flip in any::<(prop::sample::Index, u8)>()) {
        let schema = Schema::builtin();
        let text = include_str!("../benches/pod.json");
        let mut wire = protobuf::to_vec(&read(pod(), text));
        _ = protobuf::decode(schema, pod(), wire[..cut.index(wire.len())].to_vec());
        let at = flip.0.index(wire.len());
        wire[at] ^= flip.1;
        if let Ok(tree) = protobuf::decode(schema, pod(), wire) {
            _ = shown(&tree);
            _ = protobuf::to_vec(&tree);
        }
        let mut bytes = text.as_bytes().to_vec();
        let at = flip.0.index(bytes.len());
        bytes[at] ^= flip.1;
        _ = json::decode(schema, pod(), bytes.clone(), &mut json::Strict::new());
        // Cut within the object: without the newline at its end it is still whole.
        bytes.truncate(cut.index(text.trim_end().len()));
        prop_assert!(json::decode(schema, pod(), bytes, &mut json::Strict::new()).is_err());
    }
}

#[test]
fn values_are_read_as_upstream_reads_them() {
    for (given, expected) in [
        (
            r#"{"spec":{"containers":null}}"#,
            r#"{"metadata":{},"spec":{"containers":null},"status":{}}"#,
        ),
        (
            r#"{"spec":{"containers":[]}}"#,
            r#"{"metadata":{},"spec":{"containers":[]},"status":{}}"#,
        ),
        (
            r#"{"spec":{"containers":[null]}}"#,
            r#"{"metadata":{},"spec":{"containers":[{"name":"","resources":{}}]},"status":{}}"#,
        ),
        (
            r#"{"metadata":{"labels":{"b":null,"a":"x"},"annotations":{}}}"#,
            r#"{"metadata":{"labels":{"a":"x","b":""}},"spec":{"containers":null},"status":{}}"#,
        ),
        (
            r#"{"spec":{"containers":[],"terminationGracePeriodSeconds":0,"priority":null,"hostNetwork":false}}"#,
            r#"{"metadata":{},"spec":{"containers":[],"terminationGracePeriodSeconds":0},"status":{}}"#,
        ),
        (
            r#"{"metadata":{"creationTimestamp":null,"name":"\ud83d\ude00 \ud800"},"spec":{"containers":[]}}"#,
            "{\"metadata\":{\"name\":\"\u{1F600} \u{FFFD}\"},\"spec\":{\"containers\":[]},\"status\":{}}",
        ),
        (
            r#"{"metadata":{"creationTimestamp":"2026-01-02T03:04:05.6+01:00"},"spec":{"containers":[]}}"#,
            r#"{"metadata":{"creationTimestamp":"2026-01-02T02:04:05Z"},"spec":{"containers":[]},"status":{}}"#,
        ),
        (
            r#"{"spec":{"containers":[{"name":"a","image":"x"}],"containers":[{"image":"y","resources":{"limits":{"cpu":0.5}}},{}]}}"#,
            r#"{"metadata":{},"spec":{"containers":[{"name":"a","image":"y","resources":{"limits":{"cpu":"500m"}}},{"name":"","resources":{}}]},"status":{}}"#,
        ),
        (
            r#"{"metadata":{"name":"a","labels":{"x":"1"}},"metadata":{"name":null,"namespace":"n","labels":{"y":"2"}},"spec":{"containers":[]}}"#,
            r#"{"metadata":{"name":"a","namespace":"n","labels":{"x":"1","y":"2"}},"spec":{"containers":[]},"status":{}}"#,
        ),
        (
            r#"{"metadata":{"name":"a"},"metadata":{"name":""},"spec":{"priority":1,"priority":null,"containers":[]}}"#,
            r#"{"metadata":{},"spec":{"containers":[]},"status":{}}"#,
        ),
    ] {
        assert_eq!(shown(&read(pod(), given)), expected, "{given}");
    }
}

#[test]
fn strict_errors_name_their_path() {
    let mut strict = json::Strict::new();
    let text = r#"{"foo":1,"metadata":{"labels":{"a":"1","a":"2"},"x":{}},"spec":{"containers":[{"name":"a","name":"b","Image":"c"},{"y":1}]}}"#;
    json::decode(
        Schema::builtin(),
        pod(),
        text.as_bytes().to_vec(),
        &mut strict,
    )
    .unwrap();
    let errors: Vec<String> = strict.errors().iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "unknown field \"foo\"",
            "duplicate field \"metadata.labels.a\"",
            "unknown field \"metadata.x\"",
            "duplicate field \"spec.containers[0].name\"",
            "unknown field \"spec.containers[0].Image\"",
            "unknown field \"spec.containers[1].y\"",
        ]
    );
}

#[test]
fn wrong_types_are_refused_in_the_words_of_upstream() {
    for (text, message) in [
        (
            r#"{"metadata":{"name":1}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string",
        ),
        (
            r#"{"spec":{"containers":[{"ports":[{"containerPort":1.0}]}]}}"#,
            "json: cannot unmarshal number 1.0 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            r#"{"spec":{"containers":{}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            r#"{"spec":{"priority":3000000000}}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            r#"[]"#,
            "json: cannot unmarshal array into Go value of type v1.Pod",
        ),
        (
            r#"{"metadata":{"creationTimestamp":"x"}}"#,
            "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"",
        ),
        (r#"{"metadata":{"name":1}"#, "unexpected end of JSON input"),
        (
            r#"{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            r#"{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":1.5}}}]}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32",
        ),
    ] {
        let error = json::decode(
            Schema::builtin(),
            pod(),
            text.as_bytes().to_vec(),
            &mut json::Strict::new(),
        );
        assert_eq!(error.unwrap_err().to_string(), message);
    }
}

#[test]
fn hostile_depth_is_refused_without_overflow() {
    let schema = Schema::builtin();
    let crd = schema
        .type_by_name("apiextensions.k8s.io/v1.JSONSchemaProps")
        .unwrap();
    for deep in [
        r#"{"not":"#.repeat(10_000),
        r#"{"x":"#.repeat(10_001),
        "[".repeat(1_000_000),
    ] {
        assert!(
            json::decode(
                schema,
                crd,
                deep.clone().into_bytes(),
                &mut json::Strict::new()
            )
            .is_err()
        );
        assert!(json::decode_untyped(deep.into_bytes(), &mut json::Strict::new()).is_err());
    }
    let not = schema
        .ty(crd)
        .field("not")
        .map(|id| schema.ty(crd).field_at(id).number)
        .unwrap();
    let mut wire = Vec::new();
    while wire.len() < 100_000 {
        let mut outer = Vec::new();
        let mut tag = u64::from(not) << 3 | 2;
        for mut part in [std::mem::take(&mut tag), wire.len() as u64] {
            while part >= 0x80 {
                outer.push(part as u8 | 0x80);
                part >>= 7;
            }
            outer.push(part as u8);
        }
        outer.extend_from_slice(&wire);
        wire = outer;
        if wire.len() > 20_000 {
            break;
        }
    }
    assert_eq!(
        protobuf::decode(schema, crd, wire),
        Err(protobuf::DecodeError::Depth)
    );
}

#[test]
fn a_spliced_resource_version_overrides_and_adds() {
    let schema = Schema::builtin();
    let tree = read(
        pod(),
        r#"{"metadata":{"name":"a","resourceVersion":"1","labels":{"x":"y"}},"spec":{"containers":[]}}"#,
    );
    let mut wire = protobuf::to_vec(&tree);
    protobuf::append_resource_version(42, &mut wire);
    let read = protobuf::decode(schema, pod(), wire).unwrap();
    let meta = read.root().get("metadata").unwrap();
    assert_eq!(
        meta.get("resourceVersion").and_then(|v| v.as_str()),
        Some("42")
    );
    assert_eq!(meta.get("name").and_then(|v| v.as_str()), Some("a"));
    assert_eq!(
        read.root()
            .path("metadata.labels.x")
            .and_then(|v| v.as_str()),
        Some("y")
    );
}

#[test]
fn writing_to_a_clone_leaves_the_other_as_it_was() {
    let schema = Schema::builtin();
    let tree = read(pod(), include_str!("../benches/pod.json"));
    let before = shown(&tree);
    let mut changed = tree.clone();
    let (metadata, spec) = (
        schema.ty(pod()).field("metadata").unwrap(),
        schema.ty(pod()).field("spec").unwrap(),
    );
    let mut root = changed.root_mut();
    let mut meta = root.ensure(metadata);
    let labels = schema
        .type_by_name("meta/v1.ObjectMeta")
        .and_then(|ty| schema.ty(ty).field("labels"))
        .unwrap();
    meta.ensure(labels).insert("zone", "b");
    meta.ensure(labels).insert("app", "other");
    assert!(meta.ensure(labels).remove_key("tier"));
    let mut spec = root.ensure(spec);
    let mut containers = spec.get("containers").unwrap();
    let image = containers
        .as_ref()
        .item(0)
        .and_then(|c| c.ty())
        .and_then(|ty| ty.field("image"))
        .unwrap();
    let name = containers
        .as_ref()
        .item(0)
        .and_then(|c| c.ty())
        .and_then(|ty| ty.field("name"))
        .unwrap();
    containers.push_new().set(name, "second");
    containers.item(0).unwrap().set(image, "new");
    containers.item(1).unwrap().set(image, "");
    assert_eq!(shown(&tree), before);
    assert!(tree != changed);
    let root = changed.root();
    assert_eq!(
        format!("{:?}", root.path("metadata.labels").unwrap()),
        r#"{"app":"other","pod-template-hash":"7d4b8c6f9d","zone":"b"}"#
    );
    assert_eq!(
        root.path("spec.containers.0.image")
            .and_then(|v| v.as_str()),
        Some("new")
    );
    assert_eq!(
        root.path("spec.containers.1")
            .map(|v| format!("{v:?}"))
            .unwrap(),
        r#"{"name":"second","resources":{}}"#
    );
    let mut sorted = changed.clone();
    let mut root = sorted.root_mut();
    let mut spec = root.get("spec").unwrap();
    let mut containers = spec.get("containers").unwrap();
    containers.sort_by(|a, b| {
        a.get("name")
            .and_then(|v| v.as_str())
            .cmp(&b.get("name").and_then(|v| v.as_str()))
    });
    containers.retain(|c| c.get("name").and_then(|v| v.as_str()) == Some("second"));
    assert_eq!(containers.as_ref().len(), 1);
    containers.push_copy(tree.root().path("spec.containers.0").unwrap());
    assert_eq!(
        containers
            .as_ref()
            .item(1)
            .unwrap()
            .get("image")
            .unwrap()
            .as_str(),
        tree.root()
            .path("spec.containers.0.image")
            .unwrap()
            .as_str()
    );
}

#[test]
fn untyped_objects_keep_what_they_hold() {
    let text = r#"{"a":[1,1.5,null,true,"x",{}],"apiVersion":"example.com/v1","z":{"k":0}}"#;
    let mut tree =
        json::decode_untyped(text.as_bytes().to_vec(), &mut json::Strict::new()).unwrap();
    assert_eq!(shown(&tree), text);
    assert_eq!(tree.type_id(), TypeId::UNTYPED);
    let mut root = tree.root_mut();
    root.insert("a", Value::Null);
    root.entry("new").insert("b", 1_i64);
    assert!(root.remove_key("z"));
    assert_eq!(
        shown(&tree),
        r#"{"a":null,"apiVersion":"example.com/v1","new":{"b":1}}"#
    );
}
