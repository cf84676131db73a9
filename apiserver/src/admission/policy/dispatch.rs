//! Which policies are asked about a write, with which binding and parameter.

use super::compiled::{Binding, Policy, Rules};
use super::inputs::Values;
use super::matching::Matched;
use super::params::{Param, collect};
use super::source::Bound;
use super::subject::{Write, as_value, body, in_version, namespace_value, request_value};
use crate::admission::Lookup;
use crate::cel::Value;

/// A policy that is asked.
pub struct Invocation<'p, R> {
    /// The policy.
    pub policy: &'p Policy<R>,
    /// The binding.
    pub binding: &'p Binding,
    /// In which version the write matched.
    pub matched: Matched,
    /// The parameter.
    pub param: Option<Param>,
}

/// A policy that cannot be asked, though it should be.
pub struct Misconfigured<'p, R> {
    /// The policy.
    pub policy: &'p Policy<R>,
    /// The binding, if it is the reason.
    pub binding: Option<&'p Binding>,
    /// Why.
    pub message: String,
}

/// All policies that a write matches, in their order.
pub async fn invocations<'p, R: Rules>(
    bound: &'p [Bound<R>],
    write: &Write<'_>,
    lookup: &Lookup,
) -> Vec<Result<Invocation<'p, R>, Misconfigured<'p, R>>> {
    let mut found = Vec::new();
    for Bound {
        policy, bindings, ..
    } in bound
    {
        let of_policy = |why: String| {
            Err(Misconfigured {
                policy,
                binding: None,
                message: format!("failed to configure policy: {why}"),
            })
        };
        let matched = match policy.matcher.as_ref().map_err(String::clone) {
            Ok(matcher) => matcher.matches(write),
            Err(why) => Err(why),
        };
        let matched = match matched {
            Ok(Some(matched)) => matched,
            Ok(None) => continue,
            Err(why) => {
                found.push(of_policy(why));
                continue;
            }
        };
        if let Some(Err(why)) = policy.param_kind.as_ref().map(|kind| kind.resource()) {
            found.push(of_policy(why));
            continue;
        }
        for binding in bindings {
            match params(policy, binding, write, lookup).await {
                Ok(params) => found.extend(params.into_iter().map(|param| {
                    Ok(Invocation {
                        policy,
                        binding,
                        matched,
                        param,
                    })
                })),
                Err(why) => found.push(Err(Misconfigured {
                    policy,
                    binding: Some(binding),
                    message: format!("failed to configure binding: {why}"),
                })),
            }
        }
    }
    found
}

/// The parameters that a binding gives for a write; none, if it is not about it.
async fn params<R>(
    policy: &Policy<R>,
    binding: &Binding,
    write: &Write<'_>,
    lookup: &Lookup,
) -> Result<Vec<Option<Param>>, String> {
    if let Some(matcher) = &binding.matcher {
        let matched = matcher.as_ref().map_err(String::clone)?.matches(write)?;
        if matched.is_none() {
            return Ok(Vec::new());
        }
    }
    let namespace = write.attributes.namespace;
    collect(
        lookup,
        policy.param_kind.as_ref(),
        binding.params.as_ref(),
        namespace,
    )
    .await
}

impl<R> Invocation<'_, R> {
    fn params(&self) -> Value {
        let param = self.param.as_ref();
        param.map_or(Value::Null, |param| param.value.clone())
    }

    /// What its expressions see, out of what those of another one see in the same version.
    pub fn with_params(&self, values: &Values) -> Values {
        Values {
            params: self.params(),
            ..values.clone()
        }
    }

    /// What its expressions see.
    ///
    /// # Errors
    /// If an object has no such version.
    pub fn values(&self, write: &Write<'_>) -> Result<Values, String> {
        let a = write.attributes;
        let shown = |object| match object {
            Some(object) => {
                let body = body(a, object)?;
                as_value(&*in_version(a, &body, self.matched)?)
            }
            None => Ok(Value::Null),
        };
        Ok(Values {
            object: shown(write.new)?,
            old_object: shown(write.old)?,
            request: request_value(write, self.matched, self.matched)?,
            params: self.params(),
            namespace: namespace_value(write)?,
        })
    }

    /// What its match conditions see, which do not get the namespace.
    ///
    /// # Errors
    /// If the request cannot be shown.
    pub fn condition_values(&self, write: &Write<'_>, values: &Values) -> Result<Values, String> {
        Ok(Values {
            request: request_value(write, self.matched, Matched::Own)?,
            namespace: Value::Null,
            ..values.clone()
        })
    }
}
