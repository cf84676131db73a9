//! The bounds of a LimitRange.

use api::Quantity;
use api::aggregate::Amounts;
use api::core::v1::LimitRangeItem;

/// What a container or a pod asks for.
pub(super) struct Asked {
    pub requests: Amounts,
    pub limits: Amounts,
}

/// Beyond this a number of units has no thousandths that fit.
const MAX_MILLI: i64 = i64::MAX / 1000;

/// Numbers to be compared, in thousandths, where all of them fit.
fn comparable<const N: usize>(quantities: [Quantity; N]) -> [i64; N] {
    let units = quantities.map(Quantity::value);
    match units.iter().all(|units| *units <= MAX_MILLI) {
        true => quantities.map(Quantity::milli_value),
        false => units,
    }
}

/// What is out of bounds, in upstream's words.
#[derive(Default)]
pub(super) struct Violations(Vec<String>);

impl Violations {
    /// All in one message; none where all is within bounds.
    pub(super) fn into_message(self) -> Option<String> {
        let mut distinct: Vec<String> = Vec::new();
        for message in self.0 {
            if !distinct.contains(&message) {
                distinct.push(message);
            }
        }
        match distinct.len() {
            0 => None,
            1 => distinct.pop(),
            _ => Some(format!("[{}]", distinct.join(", "))),
        }
    }

    /// Judges a container or a pod.
    pub(super) fn judge(&mut self, item: LimitRangeItem<'_>, asked: &Asked) {
        let ty = item.type_();
        for (name, bound) in item.min() {
            self.0.extend(min(ty, name, bound, asked));
        }
        for (name, bound) in item.max() {
            self.0.extend(max(ty, name, bound, asked));
        }
        for (name, bound) in item.max_limit_request_ratio() {
            self.0.extend(ratio(ty, name, bound, asked));
        }
    }

    /// Judges a claim, whose limits mean nothing.
    pub(super) fn judge_requests(&mut self, item: LimitRangeItem<'_>, requests: &Amounts) {
        let ty = item.type_();
        let asked = Asked {
            requests: requests.clone(),
            limits: Amounts::new(),
        };
        for (name, bound) in item.min() {
            self.0.extend(min(ty, name, bound, &asked));
        }
        for (name, bound) in item.max() {
            self.0.extend(max_request(ty, name, bound, requests));
        }
    }
}

fn min(ty: &str, name: &str, bound: Quantity, asked: &Asked) -> Option<String> {
    let head = format!("minimum {name} usage per {ty} is {bound}");
    let Some(request) = asked.requests.get(name).copied() else {
        return Some(format!("{head}.  No request is specified"));
    };
    let limit = asked.limits.get(name).copied();
    let [request_value, limit_value, least] =
        comparable([request, limit.unwrap_or_default(), bound]);
    if request_value < least {
        return Some(format!("{head}, but request is {request}"));
    }
    let limit = limit.filter(|_| limit_value < least)?;
    Some(format!("{head}, but limit is {limit}"))
}

fn max(ty: &str, name: &str, bound: Quantity, asked: &Asked) -> Option<String> {
    let head = format!("maximum {name} usage per {ty} is {bound}");
    let Some(limit) = asked.limits.get(name).copied() else {
        return Some(format!("{head}.  No limit is specified"));
    };
    let request = asked.requests.get(name).copied();
    let [request_value, limit_value, most] =
        comparable([request.unwrap_or_default(), limit, bound]);
    if limit_value > most {
        return Some(format!("{head}, but limit is {limit}"));
    }
    let request = request.filter(|_| request_value > most)?;
    Some(format!("{head}, but request is {request}"))
}

fn max_request(ty: &str, name: &str, bound: Quantity, requests: &Amounts) -> Option<String> {
    let head = format!("maximum {name} usage per {ty} is {bound}");
    let Some(request) = requests.get(name).copied() else {
        return Some(format!("{head}.  No request is specified"));
    };
    let [request_value, most] = comparable([request, bound]);
    (request_value > most).then(|| format!("{head}, but request is {request}"))
}

fn ratio(ty: &str, name: &str, bound: Quantity, asked: &Asked) -> Option<String> {
    let head = format!("{name} max limit to request ratio per {ty} is {bound}");
    let of = |amounts: &Amounts| amounts.get(name).copied().unwrap_or_default();
    let [request, limit, _] = comparable([of(&asked.requests), of(&asked.limits), bound]);
    if request == 0 {
        return Some(format!(
            "{head}, but no request is specified or request is 0"
        ));
    }
    if limit == 0 {
        return Some(format!("{head}, but no limit is specified or limit is 0"));
    }
    let found = limit as f64 / request as f64;
    let exceeds = match bound.value() <= MAX_MILLI {
        true => found * 1000.0 > bound.milli_value() as f64,
        false => found > bound.value() as f64,
    };
    exceeds.then(|| format!("{head}, but provided ratio is {found:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(request: Option<&str>, limit: Option<&str>) -> Asked {
        let of = |text: Option<&str>| -> Amounts {
            text.into_iter()
                .map(|text| ("cpu".to_owned(), text.parse().unwrap()))
                .collect()
        };
        Asked {
            requests: of(request),
            limits: of(limit),
        }
    }

    #[test]
    fn bounds_are_told_as_upstream_tells_them() {
        type Check = fn(&str, &str, Quantity, &Asked) -> Option<String>;
        type Text = Option<&'static str>;
        type Case = (Check, &'static str, Text, Text, Text);
        let cases: [Case; 13] = [
            (min, "100m", Some("100m"), None, None),
            (
                min,
                "100m",
                None,
                Some("1"),
                Some("minimum cpu usage per Container is 100m.  No request is specified"),
            ),
            (
                min,
                "100m",
                Some("99m"),
                Some("1"),
                Some("minimum cpu usage per Container is 100m, but request is 99m"),
            ),
            (
                min,
                "100m",
                Some("1"),
                Some("50m"),
                Some("minimum cpu usage per Container is 100m, but limit is 50m"),
            ),
            (max, "1", Some("1"), Some("1"), None),
            (max, "1", None, Some("1"), None),
            (
                max,
                "1",
                Some("1"),
                None,
                Some("maximum cpu usage per Container is 1.  No limit is specified"),
            ),
            (
                max,
                "1",
                Some("1"),
                Some("1001m"),
                Some("maximum cpu usage per Container is 1, but limit is 1001m"),
            ),
            (
                max,
                "1",
                Some("2"),
                Some("1"),
                Some("maximum cpu usage per Container is 1, but request is 2"),
            ),
            (ratio, "2", Some("1"), Some("2"), None),
            (
                ratio,
                "1500m",
                Some("1"),
                Some("2"),
                Some(
                    "cpu max limit to request ratio per Container is 1500m, but provided ratio is 2.000000",
                ),
            ),
            (
                ratio,
                "2",
                Some("0"),
                Some("2"),
                Some(
                    "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
                ),
            ),
            (
                ratio,
                "2",
                Some("1"),
                None,
                Some(
                    "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0",
                ),
            ),
        ];
        for (at, (check, bound, request, limit, wanted)) in cases.into_iter().enumerate() {
            let found = check(
                "Container",
                "cpu",
                bound.parse().unwrap(),
                &asked(request, limit),
            );
            assert_eq!(found.as_deref(), wanted, "case {at}");
        }
    }

    #[test]
    fn several_violations_are_one_message_each_once() {
        let violations = |texts: &[&str]| Violations(texts.iter().map(|t| (*t).into()).collect());
        assert_eq!(violations(&[]).into_message(), None);
        assert_eq!(violations(&["a", "a"]).into_message().unwrap(), "a");
        assert_eq!(violations(&["a", "b"]).into_message().unwrap(), "[a, b]");
    }
}
