//! What the generated views (`api::core::v1::Pod` and its kin) stand on: reading and writing a tree's fields by type.
//!
//! A view is a borrowed place in a [`Tree`], or the place where nothing is: there its fields read as absent or zero. Field ids
//! are those of the built-in schema. Rules about particular kinds do not belong here.

use std::fmt;

use crate::schema::{FieldId, TypeId};
use crate::tree::{Ref, RefMut, Tree};

mod element;
mod list;
mod map;

pub use element::{Element, Json, Raw, Write, Zero};
pub use list::{List, ListIter};
pub use map::{MapIter, MapMut, MapRef};

use crate::meta::v1::{ObjectMeta, ObjectMetaMut};

/// A typed view of a message; each has also an associated `TYPE` and the ids of its fields as constants.
pub trait View<'a>: Copy {
    /// The message type in the built-in schema.
    const TYPE: TypeId;
    /// The view for writing.
    type Mut<'m>: From<RefMut<'m>>;
    /// A view of a node, which must be of this message type; of none, everything in it is absent.
    fn at(node: Option<Ref<'a>>) -> Self;
    /// The node behind the view, if it is there.
    fn node(self) -> Option<Ref<'a>>;
    /// Whether the message is there.
    fn is_present(self) -> bool {
        self.node().is_some()
    }
}

/// The metadata of an object of any kind, custom ones included; empty where the kind has none.
pub fn metadata(tree: &Tree) -> ObjectMeta<'_> {
    ObjectMeta::at(tree.root().get("metadata"))
}

/// The metadata of an object of any kind, made where it is absent; none where the kind has none.
pub fn metadata_mut(tree: &mut Tree) -> Option<ObjectMetaMut<'_>> {
    let id = tree.root().ty()?.field("metadata")?;
    Some(ObjectMetaMut::from(tree.root_mut().into_ensured(id)))
}

#[inline]
pub(crate) fn root(tree: &Tree, ty: TypeId) -> Option<Ref<'_>> {
    debug_assert_eq!(tree.type_id(), ty, "a view of another type than the tree's");
    Some(tree.root())
}

#[inline]
pub(crate) fn root_mut(tree: &mut Tree, ty: TypeId) -> RefMut<'_> {
    debug_assert_eq!(tree.type_id(), ty, "a view of another type than the tree's");
    tree.root_mut()
}

#[inline]
pub(crate) fn has(node: Option<Ref<'_>>, id: FieldId) -> bool {
    node.is_some_and(|node| node.field(id).is_some())
}

#[inline]
pub(crate) fn optional<E: Element + ?Sized>(
    node: Option<Ref<'_>>,
    id: FieldId,
) -> Option<E::View<'_>> {
    E::view(node?.field(id)?)
}

#[inline]
pub(crate) fn value<E: Zero + ?Sized>(node: Option<Ref<'_>>, id: FieldId) -> E::View<'_> {
    optional::<E>(node, id).unwrap_or_else(E::zero)
}

#[inline]
pub(crate) fn set<E: Element + ?Sized>(node: &mut RefMut<'_>, id: FieldId, value: E::View<'_>) {
    E::write(value, |write| match write {
        Write::Leaf(value) => node.set(id, value),
        Write::Copy(value) => node.set_copy(id, value),
        Write::Nothing => {
            node.remove(id);
        }
    });
}

/// Tells whether the field was absent.
#[inline]
pub(crate) fn default<E: Element + ?Sized>(
    node: &mut RefMut<'_>,
    id: FieldId,
    value: E::View<'_>,
) -> bool {
    let absent = node.as_ref().field(id).is_none();
    if absent {
        set::<E>(node, id, value);
    }
    absent
}

#[inline]
pub(crate) fn remove(node: &mut RefMut<'_>, id: FieldId) -> bool {
    node.remove(id)
}

#[inline]
pub(crate) fn child_mut<'m>(node: &'m mut RefMut<'_>, id: FieldId) -> RefMut<'m> {
    node.ensure(id)
}

#[inline]
pub(crate) fn map_mut<'m, E: Element + ?Sized>(
    node: &'m mut RefMut<'_>,
    id: FieldId,
) -> MapMut<'m, E> {
    MapMut::new(node.ensure(id))
}

pub(crate) fn element_mut<'m>(node: &'m mut RefMut<'_>, id: FieldId, at: usize) -> RefMut<'m> {
    let len = node.as_ref().field(id).map_or(0, Ref::len);
    match node
        .reborrow()
        .into_field(id)
        .and_then(|list| list.into_item(at))
    {
        Some(item) => item,
        None => panic!("the list has {len} elements, and {at} is asked for"),
    }
}

pub(crate) fn push_mut<'m>(node: &'m mut RefMut<'_>, id: FieldId) -> RefMut<'m> {
    let mut list = node.ensure(id);
    let at = list.as_ref().len();
    list.push_new();
    element_mut(node, id, at)
}

#[inline]
pub(crate) fn push<E: Element + ?Sized>(node: &mut RefMut<'_>, id: FieldId, value: E::View<'_>) {
    let mut list = node.ensure(id);
    E::write(value, |write| match write {
        Write::Leaf(value) => list.push(value),
        Write::Copy(value) => list.push_copy(value),
        Write::Nothing => {
            list.push_new();
        }
    });
}

/// A list left empty becomes absent.
pub(crate) fn retain<E: Element + ?Sized>(
    node: &mut RefMut<'_>,
    id: FieldId,
    mut keep: impl FnMut(E::View<'_>) -> bool,
) {
    let Some(mut list) = node.field(id) else {
        return;
    };
    list.retain(|item| E::view(item).is_some_and(&mut keep));
    if list.as_ref().is_empty() {
        node.remove(id);
    }
}

/// What every view has beside its fields.
macro_rules! view {
    ($view:ident, $mutable:ident) => {
        impl<'a> v::View<'a> for $view<'a> {
            const TYPE: TypeId = $view::TYPE;
            type Mut<'m> = $mutable<'m>;
            #[inline]
            fn at(node: Option<Ref<'a>>) -> Self {
                $view(node)
            }
            #[inline]
            fn node(self) -> Option<Ref<'a>> {
                self.0
            }
        }
        impl v::Element for $view<'_> {
            type View<'a> = $view<'a>;
            #[inline]
            fn view(node: Ref<'_>) -> Option<$view<'_>> {
                Some($view(Some(node)))
            }
            #[inline]
            fn write<R>(value: $view<'_>, put: impl FnOnce(v::Write<'_>) -> R) -> R {
                put(v::Write::copy(value.0))
            }
        }
        impl v::Zero for $view<'_> {
            #[inline]
            fn zero<'a>() -> $view<'a> {
                $view(None)
            }
        }
        impl ::core::fmt::Debug for $view<'_> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                v::debug(self.0, f)
            }
        }
        impl<'m> From<RefMut<'m>> for $mutable<'m> {
            #[inline]
            fn from(node: RefMut<'m>) -> Self {
                $mutable(node)
            }
        }
        impl $mutable<'_> {
            /// The same message for reading.
            #[inline]
            pub fn view(&self) -> $view<'_> {
                $view(Some(self.0.as_ref()))
            }
            /// The node, for what goes by schema.
            #[inline]
            pub fn untyped(&mut self) -> RefMut<'_> {
                self.0.reborrow()
            }
        }
    };
}
pub(crate) use view;

pub(crate) fn debug(node: Option<Ref<'_>>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match node {
        Some(node) => fmt::Debug::fmt(&node, f),
        None => f.write_str("absent"),
    }
}
