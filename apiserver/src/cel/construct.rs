//! Values that expressions make: lists, maps, objects, optionals.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Expr, Field};
use super::error::Error;
use super::eval::Evaluation;
use super::value::{Key, Value};

/// What making a list, a map, an object costs.
const LIST_COST: u64 = 10;
const MAP_COST: u64 = 30;
const STRUCT_COST: u64 = 40;

impl Evaluation<'_> {
    /// An item that is optional only if it says so; none if it is left out.
    fn item(&mut self, expr: &Expr, optional: bool) -> Result<Option<Value>, Error> {
        let value = self.eval(expr)?;
        match (optional, &value) {
            (false, _) => Ok(Some(value)),
            (true, Value::Optional(_)) => Ok(value.held().cloned()),
            (true, _) => Err(Error::NoSuchOverload),
        }
    }

    #[inline(never)]
    pub(super) fn list(&mut self, items: &[(Expr, bool)]) -> Result<Value, Error> {
        self.budget.spend(LIST_COST)?;
        let mut values = Vec::with_capacity(items.len());
        for (item, optional) in items {
            values.extend(self.item(item, *optional)?);
        }
        Value::list(values)
    }

    #[inline(never)]
    pub(super) fn map(&mut self, entries: &[(Expr, Expr, bool)]) -> Result<Value, Error> {
        self.budget.spend(MAP_COST)?;
        let mut map = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = self.eval(key)?;
            let key = Key::of(&key).ok_or_else(|| Error::failed("unsupported key type"))?;
            let Some(value) = self.item(value, *optional)? else {
                continue;
            };
            if map.insert(key, value).is_some() {
                return Err(Error::RepeatedKey);
            }
        }
        Value::map(map)
    }

    #[inline(never)]
    pub(super) fn object(&mut self, name: &Arc<str>, fields: &[Field]) -> Result<Value, Error> {
        self.budget.spend(STRUCT_COST)?;
        let mut object = BTreeMap::new();
        for field in fields {
            if let Some(value) = self.item(&field.value, field.optional)? {
                object.insert(Arc::clone(&field.name), value);
            }
        }
        Value::object(name, object)
    }

    #[inline(never)]
    pub(super) fn opt_map(
        &mut self,
        target: &Expr,
        variable: &Arc<str>,
        body: &Expr,
        flat: bool,
    ) -> Result<Value, Error> {
        self.budget.spend(1)?;
        let Value::Optional(held) = self.eval(target)? else {
            return Err(Error::NoSuchOverload);
        };
        let target = Value::Optional(held);
        let Some(held) = target.held() else {
            return Ok(target);
        };
        self.scopes.push((Arc::clone(variable), held.clone()));
        let value = self.eval(body);
        self.scopes.pop();
        match flat {
            true => value,
            false => Value::some(value?),
        }
    }
}
