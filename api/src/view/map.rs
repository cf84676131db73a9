//! Maps.

use std::fmt;
use std::marker::PhantomData;

use super::View;
use super::element::{Element, Write, Zero};
use crate::tree::{Entries, Ref, RefMut};

/// A map with text keys, or the place where none is, which reads as an empty one.
pub struct MapRef<'a, E: ?Sized>(Option<Ref<'a>>, PhantomData<fn() -> Box<E>>);

impl<E: ?Sized> Clone for MapRef<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: ?Sized> Copy for MapRef<'_, E> {}

impl<'a, E: Element + ?Sized> MapRef<'a, E> {
    /// How many entries there are.
    #[inline]
    pub fn len(self) -> usize {
        self.0.map_or(0, Ref::len)
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A key's value.
    #[inline]
    pub fn get(self, key: &str) -> Option<E::View<'a>> {
        E::view(self.0?.get(key)?)
    }

    /// Whether there is such a key.
    pub fn contains_key(self, key: &str) -> bool {
        self.0.is_some_and(|map| map.get(key).is_some())
    }

    /// The entries, sorted by key.
    #[inline]
    pub fn iter(self) -> MapIter<'a, E> {
        MapIter(self.0.map(Ref::entries), PhantomData)
    }

    /// The keys, sorted.
    pub fn keys(self) -> impl Iterator<Item = &'a str> {
        self.0
            .map(Ref::entries)
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
    }

    /// The node behind the map, if it is there.
    pub fn node(self) -> Option<Ref<'a>> {
        self.0
    }
}

/// The entries of a [`MapRef`].
pub struct MapIter<'a, E: ?Sized>(Option<Entries<'a>>, PhantomData<fn() -> Box<E>>);

impl<'a, E: Element + ?Sized> Iterator for MapIter<'a, E> {
    type Item = (&'a str, E::View<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .as_mut()?
            .find_map(|(key, value)| Some((key, E::view(value)?)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (
            0,
            self.0
                .as_ref()
                .map_or(Some(0), |entries| entries.size_hint().1),
        )
    }
}

impl<'a, E: Element + ?Sized> IntoIterator for MapRef<'a, E> {
    type Item = (&'a str, E::View<'a>);
    type IntoIter = MapIter<'a, E>;

    #[inline]
    fn into_iter(self) -> MapIter<'a, E> {
        self.iter()
    }
}

impl<E: Element + ?Sized> Element for MapRef<'_, E> {
    type View<'a> = MapRef<'a, E>;
    #[inline]
    fn view(node: Ref<'_>) -> Option<MapRef<'_, E>> {
        Some(MapRef(Some(node), PhantomData))
    }
    #[inline]
    fn write<R>(value: MapRef<'_, E>, put: impl FnOnce(Write<'_>) -> R) -> R {
        put(Write::copy(value.0))
    }
}

impl<E: Element + ?Sized> Zero for MapRef<'_, E> {
    #[inline]
    fn zero<'a>() -> MapRef<'a, E> {
        MapRef(None, PhantomData)
    }
}

impl<E: ?Sized> fmt::Debug for MapRef<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::debug(self.0, f)
    }
}

/// A map, for writing.
pub struct MapMut<'a, E: ?Sized>(RefMut<'a>, PhantomData<fn() -> Box<E>>);

impl<'a, E: Element + ?Sized> MapMut<'a, E> {
    pub(crate) fn new(node: RefMut<'a>) -> MapMut<'a, E> {
        MapMut(node, PhantomData)
    }

    /// The same map for reading.
    pub fn view(&self) -> MapRef<'_, E> {
        MapRef(Some(self.0.as_ref()), PhantomData)
    }

    /// Sets a key's value.
    pub fn insert(&mut self, key: &str, value: E::View<'_>) {
        E::write(value, |write| match write {
            Write::Leaf(value) => self.0.insert(key, value),
            Write::Copy(value) => self.0.insert_copy(key, value),
            Write::Nothing => {
                self.0.entry(key);
            }
        });
    }

    /// Sets a key's value if it has none: tells whether it had none.
    pub fn insert_default(&mut self, key: &str, value: E::View<'_>) -> bool {
        let absent = self.0.as_ref().get(key).is_none();
        if absent {
            self.insert(key, value);
        }
        absent
    }

    /// Takes a key out: tells whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.0.remove_key(key)
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps the entries for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, E::View<'_>) -> bool) {
        self.0
            .retain_entries(|key, value| E::view(value).is_some_and(|value| keep(key, value)));
    }
}

impl<'e, E: View<'e>> MapMut<'_, E> {
    /// A key's message, made where it is absent.
    pub fn entry(&mut self, key: &str) -> E::Mut<'_> {
        E::Mut::from(self.0.entry(key))
    }
}
