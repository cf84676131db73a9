//! What a policy's expressions may name.

use crate::cel::{Environment, Type};

/// The type of the object that has a policy's variables as fields.
const VARIABLES: &str = "kubernetes.variables";

fn named(name: &str) -> Type {
    Type::Struct(name.into())
}

fn texts() -> Type {
    Type::list(Type::String)
}

fn labels() -> Type {
    Type::map(Type::String, Type::String)
}

/// What every expression may name; `params`, if the policy has a kind of parameters.
pub fn environment(params: bool) -> Environment {
    let kind = &[
        ("group", Type::String),
        ("version", Type::String),
        ("kind", Type::String),
    ];
    let resource = &[
        ("group", Type::String),
        ("version", Type::String),
        ("resource", Type::String),
    ];
    let user = &[
        ("username", Type::String),
        ("uid", Type::String),
        ("groups", texts()),
        ("extra", Type::map(Type::String, texts())),
    ];
    let request = &[
        ("kind", named("kubernetes.GroupVersionKind")),
        ("resource", named("kubernetes.GroupVersionResource")),
        ("subResource", Type::String),
        ("requestKind", named("kubernetes.GroupVersionKind")),
        ("requestResource", named("kubernetes.GroupVersionResource")),
        ("requestSubResource", Type::String),
        ("name", Type::String),
        ("namespace", Type::String),
        ("operation", Type::String),
        ("userInfo", named("kubernetes.UserInfo")),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ];
    let env = Environment::default()
        .variable("object", Type::Dyn)
        .variable("oldObject", Type::Dyn)
        .variable("request", named("kubernetes.AdmissionRequest"))
        .variable("namespaceObject", named("kubernetes.Namespace"))
        .object("kubernetes.GroupVersionKind", kind)
        .object("kubernetes.GroupVersionResource", resource)
        .object("kubernetes.UserInfo", user)
        .object("kubernetes.AdmissionRequest", request);
    let env = with_namespace(env);
    match params {
        true => env.variable("params", Type::Dyn),
        false => env,
    }
}

fn with_namespace(env: Environment) -> Environment {
    let metadata = &[
        ("name", Type::String),
        ("generateName", Type::String),
        ("namespace", Type::String),
        ("labels", labels()),
        ("annotations", labels()),
        ("UID", Type::String),
        ("creationTimestamp", Type::Timestamp),
        ("deletionGracePeriodSeconds", Type::Int),
        ("deletionTimestamp", Type::Timestamp),
        ("generation", Type::Int),
        ("resourceVersion", Type::String),
        ("finalizers", texts()),
    ];
    let condition = &[
        ("status", Type::String),
        ("type", Type::String),
        ("lastTransitionTime", Type::Timestamp),
        ("message", Type::String),
        ("reason", Type::String),
    ];
    let conditions = Type::list(named("kubernetes.NamespaceCondition"));
    let namespace = &[
        ("metadata", named("kubernetes.NamespaceMetadata")),
        ("spec", named("kubernetes.NamespaceSpec")),
        ("status", named("kubernetes.NamespaceStatus")),
    ];
    env.object("kubernetes.NamespaceMetadata", metadata)
        .object("kubernetes.NamespaceSpec", &[("finalizers", texts())])
        .object("kubernetes.NamespaceCondition", condition)
        .object(
            "kubernetes.NamespaceStatus",
            &[("conditions", conditions), ("phase", Type::String)],
        )
        .object("kubernetes.Namespace", namespace)
}

/// Lets expressions name variables; those that are there are added one by one.
pub fn with_variables(env: Environment) -> Environment {
    env.variable("variables", named(VARIABLES))
        .object(VARIABLES, &[])
}

/// Adds a variable, of the type that its expression has; none, if that does not compile.
pub fn add_variable(env: &mut Environment, name: &str, ty: Option<&Type>) {
    let ty = ty.map_or(Type::Dyn, field_type);
    env.add_field(VARIABLES, name, ty);
}

/// The type of a variable as a field: of objects and the like nothing is known there.
fn field_type(ty: &Type) -> Type {
    match ty {
        Type::List(element) => Type::list(field_type(element)),
        Type::Map(entry) => Type::map(field_type(&entry.0), field_type(&entry.1)),
        Type::Free | Type::Optional(_) | Type::Opaque(_) | Type::Struct(_) | Type::Type => {
            Type::Dyn
        }
        plain => plain.clone(),
    }
}
