//! What extends the API: CustomResourceDefinitions and APIServices.

use super::{Rule, rules};
use crate::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionMut, ServiceReference as WebhookService,
    ServiceReferenceMut as WebhookServiceMut,
};
use crate::apiregistration::v1::{ServiceReference, ServiceReferenceMut};

pub(super) const RULES: &[Rule] = rules![
    CustomResourceDefinition => definition,
    ServiceReference => |mut service: ServiceReferenceMut<'_>| service.default_port(443),
    WebhookService => |mut service: WebhookServiceMut<'_>| service.default_port(443),
];

fn definition(mut definition: CustomResourceDefinitionMut<'_>) {
    let mut spec = definition.spec_mut();
    let kind = spec.view().names().kind().to_owned();
    if !kind.is_empty() {
        let mut names = spec.names_mut();
        names.default_singular(&kind.to_lowercase());
        names.default_list_kind(&format!("{kind}List"));
    }
    if spec.view().conversion().is_none() {
        spec.conversion_mut().set_strategy("None");
    }
    if definition.view().status().stored_versions().is_empty() {
        let stored = definition
            .view()
            .spec()
            .versions()
            .iter()
            .find(|version| version.storage())
            .map(|version| version.name().to_owned());
        if let Some(version) = stored {
            definition.status_mut().push_stored_versions(&version);
        }
    }
}
