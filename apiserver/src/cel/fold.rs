//! Walks over lists and maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Fold, FoldKind};
use super::error::Error;
use super::eval::Evaluation;
use super::functions;
use super::value::{Key, Value};

/// What a walk has made so far.
#[derive(Default)]
struct Made {
    list: Vec<Value>,
    keyed: Vec<(Value, Value)>,
    map: BTreeMap<Key, Value>,
    count: usize,
    failed: Option<Error>,
}

impl Evaluation<'_> {
    /// Walks.
    #[inline(never)]
    pub(super) fn fold(&mut self, fold: &Fold) -> Result<Value, Error> {
        let range = self.eval(&fold.range)?;
        let mut made = Made::default();
        let outer = self.scopes.len();
        let mut done = None;
        match &range {
            Value::List(list) => {
                for (at, item) in list.iter().enumerate() {
                    let index = Value::Int(i64::try_from(at).unwrap_or(i64::MAX));
                    let pair = match fold.second {
                        Some(_) => (index, item.clone()),
                        None => (item.clone(), Value::Null),
                    };
                    done = self.step(fold, pair, &mut made)?;
                    self.scopes.truncate(outer);
                    if done.is_some() {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    done = self.step(fold, (key.value(), value.clone()), &mut made)?;
                    self.scopes.truncate(outer);
                    if done.is_some() {
                        break;
                    }
                }
            }
            _ => return Err(Error::NoSuchOverload),
        }
        match done {
            Some(value) => Ok(value),
            None => self.finish(fold.kind, made),
        }
    }

    /// One step; a value ends the walk. An error leaves variables behind, but ends what they belong to.
    fn step(
        &mut self,
        fold: &Fold,
        (first, second): (Value, Value),
        made: &mut Made,
    ) -> Result<Option<Value>, Error> {
        self.budget.spend(1)?;
        let outer = self.scopes.len();
        self.scopes
            .push((Arc::clone(&fold.variable), first.clone()));
        if let Some(name) = &fold.second {
            self.scopes.push((Arc::clone(name), second));
        }
        let result = self.body(fold, first, made);
        self.scopes.truncate(outer);
        result
    }

    fn body(&mut self, fold: &Fold, first: Value, made: &mut Made) -> Result<Option<Value>, Error> {
        if let Some(filter) = &fold.filter {
            match self.eval(filter)? {
                Value::Bool(true) => {}
                Value::Bool(false) => return Ok(None),
                _ => return Err(Error::NoSuchOverload),
            }
        }
        let value = self.eval(&fold.body);
        match fold.kind {
            FoldKind::All | FoldKind::Exists => {
                let decides = fold.kind == FoldKind::Exists;
                match value {
                    Ok(Value::Bool(holds)) if holds == decides => Ok(Some(Value::Bool(holds))),
                    Ok(Value::Bool(_)) => Ok(None),
                    Ok(_) => {
                        made.failed.get_or_insert(Error::NoSuchOverload);
                        Ok(None)
                    }
                    Err(error) if error.is_final() => Err(error),
                    Err(error) => {
                        made.failed.get_or_insert(error);
                        Ok(None)
                    }
                }
            }
            FoldKind::ExistsOne | FoldKind::Filter => {
                match value? {
                    Value::Bool(true) => {
                        made.count += 1;
                        if fold.kind == FoldKind::Filter {
                            made.list.push(first);
                        }
                    }
                    Value::Bool(false) => {}
                    _ => return Err(Error::NoSuchOverload),
                }
                Ok(None)
            }
            FoldKind::Map | FoldKind::TransformList => {
                made.list.push(value?);
                Ok(None)
            }
            FoldKind::SortBy => {
                made.keyed.push((value?, first));
                Ok(None)
            }
            FoldKind::TransformMap => {
                let key = Key::of(&first).ok_or(Error::NoSuchOverload)?;
                made.map.insert(key, value?);
                Ok(None)
            }
            FoldKind::TransformMapEntry => {
                let Value::Map(entries) = value? else {
                    return Err(Error::NoSuchOverload);
                };
                self.budget.spend(entries.len() as u64)?;
                for (key, value) in entries.iter() {
                    if made.map.insert(key.clone(), value.clone()).is_some() {
                        let message = format!("insert failed: key {} already exists", key.value());
                        return Err(Error::failed(message));
                    }
                }
                Ok(None)
            }
        }
    }

    fn finish(&mut self, kind: FoldKind, made: Made) -> Result<Value, Error> {
        match kind {
            FoldKind::All | FoldKind::Exists => match made.failed {
                Some(error) => Err(error),
                None => Ok(Value::Bool(kind == FoldKind::All)),
            },
            FoldKind::ExistsOne => Ok(Value::Bool(made.count == 1)),
            FoldKind::Filter | FoldKind::Map | FoldKind::TransformList => Value::list(made.list),
            FoldKind::SortBy => functions::sort_by_key(made.keyed, &mut self.budget),
            FoldKind::TransformMap | FoldKind::TransformMapEntry => Value::map(made.map),
        }
    }
}
