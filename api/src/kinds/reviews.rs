//! Reviews: questions about who asks and what they may do. They are answered and not stored; no webhook and no policy is asked about
//! them, or nobody could ask for anything, and no quota counts them.

const AUTHENTICATION: &[&str] = &["selfsubjectreviews", "tokenreviews"];
const AUTHORIZATION: &[&str] = &[
    "localsubjectaccessreviews",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
    "subjectaccessreviews",
];

/// Whether a resource is one of reviews, by its group and name.
pub fn is_review(group: &str, resource: &str) -> bool {
    match group {
        "authentication.k8s.io" => AUTHENTICATION.contains(&resource),
        "authorization.k8s.io" => AUTHORIZATION.contains(&resource),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reviews_are_the_resources_of_their_groups() {
        let resources = super::super::Kinds::builtin().resources();
        for it in resources {
            let of_group = matches!(&*it.group, "authentication.k8s.io" | "authorization.k8s.io");
            assert_eq!(is_review(&it.group, &it.name), of_group, "{}", it.name);
        }
    }
}
