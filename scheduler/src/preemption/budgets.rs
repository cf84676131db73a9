//! PodDisruptionBudgets, as far as preemption respects them: it avoids to violate them, and does where nothing else helps.

use crate::labels::Selector;
use crate::pod::PodKey;
use crate::snapshot::Placed;
use crate::text::{Map, Text};

/// What a budget allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Whose pods it protects.
    pub selector: Selector,
    /// How many more may go now.
    pub allowed: i64,
    /// Names of pods whose going it has counted already.
    pub disrupted: Box<[Text]>,
}

/// The budgets of all namespaces.
#[derive(Debug, Default)]
pub struct Budgets(Map<Text, Map<Text, Budget>>);

impl Budgets {
    /// The budget of this name is so, or is gone.
    pub fn set(&mut self, namespace: &str, name: &str, budget: Option<Budget>) {
        match budget {
            Some(budget) => {
                let namespace = self.0.entry(namespace.into()).or_default();
                namespace.insert(name.into(), budget);
            }
            None => {
                if let Some(budgets) = self.0.get_mut(namespace) {
                    budgets.remove(name);
                }
            }
        }
    }

    /// Of pods that would go one after the other, which would go beyond what a budget allows.
    pub(super) fn violated_by(&self, pods: &[(PodKey, Placed)]) -> Vec<bool> {
        let mut spent: Map<(&Text, &Text), i64> = Map::default();
        let mut violates = |key: &PodKey, placed: &Placed| {
            let Some((namespace, budgets)) = self.0.get_key_value(&key.namespace) else {
                return false;
            };
            let mut violated = false;
            for (name, budget) in budgets {
                // Upstream takes an empty selector for none here.
                let protects = !budget.selector.is_empty()
                    && budget.selector.matches(&placed.load.labels)
                    && !budget.disrupted.contains(&key.name);
                if protects {
                    let spent = spent.entry((namespace, name)).or_default();
                    *spent += 1;
                    violated |= *spent > budget.allowed;
                }
            }
            violated
        };
        pods.iter()
            .map(|(key, placed)| violates(key, placed))
            .collect()
    }
}
