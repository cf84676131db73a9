//! What a policy's expressions may name.

use crate::cel::{Environment, Type};

/// How many lists and maps deep a variable's type is known.
const MAX_LEVELS: u32 = 16;
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
    let ty = ty.map_or(Type::Dyn, |ty| field_type(ty, MAX_LEVELS));
    env.add_field(VARIABLES, name, ty);
}

/// The type of a variable as a field, `levels` deep at most: each variable could hold the one before twice. Of objects and the like
/// nothing is known there.
fn field_type(ty: &Type, levels: u32) -> Type {
    let Some(below) = levels.checked_sub(1) else {
        return Type::Dyn;
    };
    match ty {
        Type::List(element) => Type::list(field_type(element, below)),
        Type::Map(entry) => Type::map(key_type(&entry.0), field_type(&entry.1, below)),
        Type::Free | Type::Optional(_) | Type::Opaque(_) | Type::Struct(_) | Type::Type => {
            Type::Dyn
        }
        plain => plain.clone(),
    }
}

/// Keys are of plain types; what else stands there is found out when it is evaluated.
fn key_type(ty: &Type) -> Type {
    match ty {
        Type::Bool | Type::Int | Type::Uint | Type::String => ty.clone(),
        _ => Type::Dyn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_variables_do_not_grow_without_end() {
        let mut env = with_variables(environment(false));
        for source in ["[variables.v, variables.v]", "{variables.v: variables.v}"] {
            add_variable(&mut env, "v", Some(&Type::Int));
            for _ in 0..5000 {
                let program = env.compile(source, &[]).unwrap();
                add_variable(&mut env, "v", Some(&program.ty));
            }
            let shown = env.compile("variables.v", &[]).unwrap().ty.to_string();
            assert!(shown.len() < 1000, "{shown}");
        }
    }
}
