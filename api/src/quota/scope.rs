//! The scopes of a quota: which pods and claims it is about.

use super::claim::attributes_classes;
use super::pod;
use crate::Tree;
use crate::core::v1::{PersistentVolumeClaim, Pod, ResourceQuotaSpec};
use crate::selector::label::{InvalidRequirement, Operator, Requirement};
use crate::view::List;

/// One scope: its name alone, or with an operator and values.
#[derive(Clone, Copy, Debug)]
pub struct Selector<'a> {
    name: &'a str,
    operator: &'a str,
    values: Option<List<'a, str>>,
}

impl<'a> Selector<'a> {
    /// All scopes of a quota.
    pub fn all(spec: ResourceQuotaSpec<'a>) -> Vec<Selector<'a>> {
        let plain = spec.scopes().iter().map(|name| Selector {
            name,
            operator: "Exists",
            values: None,
        });
        let selector = spec.scope_selector();
        let expressions = selector.map(|selector| selector.match_expressions());
        let selecting = expressions.into_iter().flatten().map(|e| Selector {
            name: e.scope_name(),
            operator: e.operator(),
            values: Some(e.values()),
        });
        plain.chain(selecting).collect()
    }

    pub(super) fn selects_pod(&self, object: &Tree) -> Result<bool, InvalidRequirement> {
        let pod = Pod::of(object);
        Ok(match self.name {
            "Terminating" => pod::is_terminating(pod),
            "NotTerminating" => !pod::is_terminating(pod),
            "BestEffort" => pod::is_best_effort(pod),
            "NotBestEffort" => !pod::is_best_effort(pod),
            "CrossNamespacePodAffinity" => pod::minds_other_namespaces(pod),
            "PriorityClass" => {
                let class = pod.spec().priority_class_name();
                self.requirement()?
                    .matches(Some(class).filter(|class| !class.is_empty()))
            }
            _ => false,
        })
    }

    pub(super) fn selects_claim(&self, object: &Tree) -> Result<bool, InvalidRequirement> {
        if self.name != "VolumeAttributesClass" {
            return Ok(false);
        }
        let requirement = self.requirement()?;
        let classes = attributes_classes(PersistentVolumeClaim::of(object));
        Ok(match classes.is_empty() {
            true => requirement.matches(None),
            false => classes.iter().any(|class| requirement.matches(Some(class))),
        })
    }

    fn requirement(&self) -> Result<Requirement, InvalidRequirement> {
        let operator = match self.operator {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "DoesNotExist" => Operator::DoesNotExist,
            _ => Operator::Exists,
        };
        let values = self.values.into_iter().flatten().map(str::to_owned);
        Requirement::new(self.name, operator, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{self, Strict};
    use crate::core::v1::ResourceQuota;
    use crate::quota::Evaluator;
    use crate::schema::{Schema, TypeId};

    fn read(ty: TypeId, text: &str) -> Tree {
        let (schema, text) = (Schema::builtin(), text.to_owned());
        json::decode(schema, ty, text, &mut Strict::new()).unwrap()
    }

    fn within(evaluator: &Evaluator, ty: TypeId, scopes: &str, object: &str) -> bool {
        let quota = read(ResourceQuota::TYPE, &format!(r#"{{"spec":{{{scopes}}}}}"#));
        let scopes = Selector::all(ResourceQuota::of(&quota).spec());
        evaluator.is_within(&scopes, &read(ty, object)).unwrap()
    }

    #[test]
    fn pods_are_within_the_scopes_that_fit_them() {
        let plain = r#"{"spec":{"containers":[{"name":"c"}]}}"#;
        let ends = r#"{"spec":{"activeDeadlineSeconds":5,"containers":[{"name":"c","resources":{"limits":{"cpu":"1"}}}]}}"#;
        let important = r#"{"spec":{"priorityClassName":"high","containers":[{"name":"c"}]}}"#;
        let near = r#"{"spec":{"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight":1,"podAffinityTerm":{"topologyKey":"k","namespaces":["x"]}}]}},"containers":[{"name":"c"}]}}"#;
        let class = |operator: &str, values: &str| {
            format!(
                r#""scopeSelector":{{"matchExpressions":[{{"scopeName":"PriorityClass","operator":"{operator}","values":[{values}]}}]}}"#
            )
        };
        for (scopes, object, wanted) in [
            ("", plain, true),
            (r#""scopes":["BestEffort"]"#, plain, true),
            (r#""scopes":["BestEffort"]"#, ends, false),
            (r#""scopes":["NotBestEffort","Terminating"]"#, ends, true),
            (r#""scopes":["BestEffort","Terminating"]"#, plain, false),
            (r#""scopes":["NotTerminating"]"#, plain, true),
            (r#""scopes":["PriorityClass"]"#, plain, false),
            (r#""scopes":["PriorityClass"]"#, important, true),
            (&class("In", r#""high""#), important, true),
            (&class("In", r#""low""#), important, false),
            (&class("NotIn", r#""low""#), plain, true),
            (&class("DoesNotExist", ""), plain, true),
            (&class("DoesNotExist", ""), important, false),
            (r#""scopes":["CrossNamespacePodAffinity"]"#, near, true),
            (r#""scopes":["CrossNamespacePodAffinity"]"#, plain, false),
            (r#""scopes":["VolumeAttributesClass"]"#, plain, false),
        ] {
            let found = within(&Evaluator::Pods, Pod::TYPE, scopes, object);
            assert_eq!(found, wanted, "{scopes} {object}");
        }
    }

    #[test]
    fn claims_are_within_the_scope_of_every_class_that_they_are_about() {
        let ty = PersistentVolumeClaim::TYPE;
        let scope = r#""scopeSelector":{"matchExpressions":[{"scopeName":"VolumeAttributesClass","operator":"In","values":["gold"]}]}"#;
        let moving = r#"{"spec":{"volumeAttributesClassName":"gold"},"status":{"currentVolumeAttributesClassName":"silver"}}"#;
        assert!(within(&Evaluator::Claims, ty, scope, moving));
        assert!(!within(&Evaluator::Claims, ty, scope, r#"{"spec":{}}"#));
        assert!(!within(
            &Evaluator::Claims,
            ty,
            r#""scopes":["BestEffort"]"#,
            moving
        ));
        let other = Evaluator::of("apps", "deployments").unwrap();
        assert!(!within(&other, ty, r#""scopes":["BestEffort"]"#, moving));
    }
}
