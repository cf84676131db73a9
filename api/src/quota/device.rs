//! What ResourceClaims use: devices, by class.

use super::one;
use crate::aggregate::Amounts;
use crate::quantity::{Format, Quantity};
use crate::resource::v1::ResourceClaim;
use crate::{Tree, aggregate};

const OBJECTS: &str = "count/resourceclaims.resource.k8s.io";
const OF_CLASS: &str = ".deviceclass.resource.k8s.io/devices";
/// How many devices a request for all can come to.
const MOST: i64 = 32;

pub(super) fn counts(name: &str) -> bool {
    name == OBJECTS || name.ends_with(OF_CLASS)
}

fn devices(mode: &str, count: i64) -> Quantity {
    let number = match mode {
        "ExactCount" => count,
        "All" => MOST,
        // Of a later release: it is not known what it uses.
        _ => 0,
    };
    Quantity::from_units(number, Format::DecimalSI)
}

pub(super) fn usage(object: &Tree) -> Amounts {
    let mut used = Amounts::from([(OBJECTS.to_owned(), one())]);
    for request in ResourceClaim::of(object).spec().devices().requests() {
        let mut most = Amounts::new();
        let alternatives = request.first_available();
        for sub in alternatives {
            let name = format!("{}{OF_CLASS}", sub.device_class_name());
            let amount = devices(sub.allocation_mode(), sub.count());
            aggregate::raise(&mut most, Amounts::from([(name, amount)]));
        }
        if let Some(exact) = request.exactly().filter(|_| alternatives.is_empty()) {
            let name = format!("{}{OF_CLASS}", exact.device_class_name());
            most.insert(name, devices(exact.allocation_mode(), exact.count()));
        }
        used = super::total(&used, &most);
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{self, Strict};
    use crate::schema::Schema;

    #[test]
    fn of_alternatives_the_worst_of_each_class_counts() {
        let text = r#"{"spec":{"devices":{"requests":[
            {"name":"a","exactly":{"deviceClassName":"gpu","allocationMode":"ExactCount","count":2}},
            {"name":"b","firstAvailable":[{"name":"x","deviceClassName":"gpu","allocationMode":"All"},
                {"name":"y","deviceClassName":"gpu","allocationMode":"ExactCount","count":3},
                {"name":"z","deviceClassName":"nic","allocationMode":"ExactCount","count":1}]}]}}}"#;
        let (schema, ty) = (Schema::builtin(), ResourceClaim::TYPE);
        let tree = json::decode(schema, ty, text.to_owned(), &mut Strict::new()).unwrap();
        let used = usage(&tree);
        assert_eq!(used[&format!("gpu{OF_CLASS}")].to_string(), "34");
        assert_eq!(used[&format!("nic{OF_CLASS}")].to_string(), "1");
        assert_eq!(used[OBJECTS].to_string(), "1");
    }
}
