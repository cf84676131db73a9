//! Taints of nodes and the tolerations of pods for them.

use crate::text::Text;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// They are not placed here.
    NoSchedule,
    /// They are placed here only for want of a better node.
    PreferNoSchedule,
    /// They are not placed here, and those that are here are evicted.
    NoExecute,
}

impl Effect {
    /// The effect of the API's name; None for an unknown one.
    pub fn parse(name: &str) -> Option<Effect> {
        match name {
            "NoSchedule" => Some(Effect::NoSchedule),
            "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
            "NoExecute" => Some(Effect::NoExecute),
            _ => None,
        }
    }

    /// The API's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::NoSchedule => "NoSchedule",
            Effect::PreferNoSchedule => "PreferNoSchedule",
            Effect::NoExecute => "NoExecute",
        }
    }

    /// Whether it keeps pods off, rather than merely making a node less welcome.
    pub fn forbids(self) -> bool {
        self != Effect::PreferNoSchedule
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taint {
    /// Its key.
    pub key: Text,
    /// Its value, which may be empty.
    pub value: Text,
    /// Its effect.
    pub effect: Effect,
}

impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(f, "={}", self.value)?;
        }
        write!(f, ":{}", self.effect.as_str())
    }
}

/// How a toleration's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TolerationOperator {
    /// The values are equal.
    Equal,
    /// Any value.
    Exists,
    /// `Lt` and `Gt` (KEP-5471, off by default in v1.37), and whatever else: tolerates nothing.
    Unsupported,
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// The taint's key; empty for every key.
    pub key: Text,
    /// How values compare.
    pub operator: TolerationOperator,
    /// The value.
    pub value: Text,
    /// The effect tolerated; None for every effect.
    pub effect: Option<Effect>,
}

impl Toleration {
    /// Whether a pod with it tolerates `taint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator {
                TolerationOperator::Equal => self.value == taint.value,
                TolerationOperator::Exists => true,
                TolerationOperator::Unsupported => false,
            }
    }
}

/// The place of the first taint that keeps a pod with these tolerations off.
pub fn untolerated(taints: &[Taint], tolerations: &[Toleration]) -> Option<usize> {
    taints
        .iter()
        .position(|taint| taint.effect.forbids() && !tolerations.iter().any(|t| t.tolerates(taint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(
        key: &str,
        operator: TolerationOperator,
        value: &str,
        effect: Option<Effect>,
    ) -> Toleration {
        Toleration {
            key: key.into(),
            operator,
            value: value.into(),
            effect,
        }
    }

    #[test]
    fn tolerations_match_by_key_value_and_effect() {
        use TolerationOperator::*;
        let taint = Taint {
            key: "k".into(),
            value: "v".into(),
            effect: Effect::NoSchedule,
        };
        for (t, tolerated) in [
            (toleration("k", Equal, "v", None), true),
            (toleration("k", Equal, "v", Some(Effect::NoSchedule)), true),
            (toleration("k", Equal, "v", Some(Effect::NoExecute)), false),
            (toleration("k", Equal, "w", None), false),
            (toleration("k", Exists, "", None), true),
            (toleration("", Exists, "", None), true),
            (toleration("j", Exists, "", None), false),
            (toleration("k", Unsupported, "v", None), false),
        ] {
            assert_eq!(t.tolerates(&taint), tolerated, "{t:?}");
        }
        assert_eq!(taint.to_string(), "k=v:NoSchedule");
    }

    #[test]
    fn a_taint_that_only_prefers_keeps_nobody_off() {
        let soft = Taint {
            key: "k".into(),
            value: "".into(),
            effect: Effect::PreferNoSchedule,
        };
        let hard = Taint {
            effect: Effect::NoExecute,
            ..soft.clone()
        };
        assert_eq!(untolerated(std::slice::from_ref(&soft), &[]), None);
        assert_eq!(untolerated(&[soft, hard], &[]), Some(1));
    }
}
