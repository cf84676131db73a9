//! Names that webhooks and policies have which an API server reads from files: none may come through the API. (KEP-5793)

use crate::field::{Error, ErrorList, Path};

const SUFFIX: &str = ".static.k8s.io";

/// Refuses such a name of a new object.
pub(super) fn refuse(errors: &mut ErrorList, name: &str) {
    if name.ends_with(SUFFIX) {
        let why = format!(
            "names ending with \"{SUFFIX}\" are reserved for static manifest-based configurations and cannot be managed via the API"
        );
        errors.push(Error::invalid(&Path::new("metadata.name"), name, why));
    }
}
