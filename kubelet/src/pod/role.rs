//! The three kinds of containers that a pod has.

use api::core::v1::{Container, EphemeralContainer, Pod};
use api::view::View;

/// In which list of its pod's spec a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Before the others; one with `restartPolicy: Always` also beside them.
    Init,
    /// What the pod is for.
    Main,
    /// Added to a pod that runs, to look into it: started once, and of no account for the pod's readiness and phase.
    Ephemeral,
}

impl Role {
    /// The list, as events name it.
    pub fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

/// What an ephemeral container has in common with every other one. Its type begins with a container's fields in a container's
/// order (upstream converts the one into the other too), so that it can be read as one.
pub fn common(container: EphemeralContainer<'_>) -> Container<'_> {
    Container::at(container.node())
}

/// The container of this name.
pub fn find<'a>(pod: Pod<'a>, name: &str) -> Option<(Container<'a>, Role)> {
    let spec = pod.spec();
    let lists = [
        (spec.containers(), Role::Main),
        (spec.init_containers(), Role::Init),
    ];
    let listed = lists.into_iter().find_map(|(list, role)| {
        let found = list.iter().find(|container| container.name() == name)?;
        Some((found, role))
    });
    listed.or_else(|| {
        let mut ephemeral = spec.ephemeral_containers().iter();
        let found = ephemeral.find(|container| container.name() == name)?;
        Some((common(found), Role::Ephemeral))
    })
}

#[cfg(test)]
mod tests {
    use api::schema::{FieldId, Schema};

    use super::*;

    #[test]
    fn every_field_of_a_container_is_at_its_place_in_an_ephemeral_one() {
        let schema = Schema::builtin();
        let (container, ephemeral) = (
            schema.ty(Container::TYPE),
            schema.ty(EphemeralContainer::TYPE),
        );
        for (at, field) in container.fields.iter().enumerate() {
            let id = FieldId(u16::try_from(at).unwrap());
            let same = ephemeral.field_at(id);
            assert_eq!(same.name, field.name);
            assert_eq!(format!("{:?}", same.shape), format!("{:?}", field.shape));
        }
    }
}
