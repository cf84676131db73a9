//! Lists.

use std::fmt;
use std::marker::PhantomData;

use super::element::{Element, Write, Zero};
use crate::tree::{Items, Ref};

/// A list, or the place where none is, which reads as an empty one.
pub struct List<'a, E: ?Sized>(Option<Ref<'a>>, PhantomData<fn() -> Box<E>>);

impl<E: ?Sized> Clone for List<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: ?Sized> Copy for List<'_, E> {}

impl<'a, E: Element + ?Sized> List<'a, E> {
    /// How many elements there are.
    #[inline]
    pub fn len(self) -> usize {
        self.0.map_or(0, Ref::len)
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element at a place, from 0.
    #[inline]
    pub fn get(self, at: usize) -> Option<E::View<'a>> {
        E::view(self.0?.item(at)?)
    }

    /// The first element.
    #[inline]
    pub fn first(self) -> Option<E::View<'a>> {
        self.get(0)
    }

    /// The last element.
    #[inline]
    pub fn last(self) -> Option<E::View<'a>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The elements in order.
    #[inline]
    pub fn iter(self) -> ListIter<'a, E> {
        ListIter(self.0.map(Ref::items), PhantomData)
    }

    /// The node behind the list, if it is there.
    pub fn node(self) -> Option<Ref<'a>> {
        self.0
    }
}

impl<'a> List<'a, str> {
    /// Whether one of the elements is this text.
    pub fn contains(self, text: &str) -> bool {
        self.iter().any(|element| element == text)
    }
}

/// The elements of a [`List`].
pub struct ListIter<'a, E: ?Sized>(Option<Items<'a>>, PhantomData<fn() -> Box<E>>);

impl<'a, E: Element + ?Sized> Iterator for ListIter<'a, E> {
    type Item = E::View<'a>;

    #[inline]
    fn next(&mut self) -> Option<E::View<'a>> {
        self.0.as_mut()?.find_map(E::view)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (
            0,
            self.0.as_ref().map_or(Some(0), |items| items.size_hint().1),
        )
    }
}

impl<'a, E: Element + ?Sized> DoubleEndedIterator for ListIter<'a, E> {
    fn next_back(&mut self) -> Option<E::View<'a>> {
        let items = self.0.as_mut()?;
        loop {
            if let Some(view) = E::view(items.next_back()?) {
                return Some(view);
            }
        }
    }
}

impl<'a, E: Element + ?Sized> IntoIterator for List<'a, E> {
    type Item = E::View<'a>;
    type IntoIter = ListIter<'a, E>;

    #[inline]
    fn into_iter(self) -> ListIter<'a, E> {
        self.iter()
    }
}

impl<E: Element + ?Sized> Element for List<'_, E> {
    type View<'a> = List<'a, E>;
    #[inline]
    fn view(node: Ref<'_>) -> Option<List<'_, E>> {
        Some(List(Some(node), PhantomData))
    }
    #[inline]
    fn write<R>(value: List<'_, E>, put: impl FnOnce(Write<'_>) -> R) -> R {
        put(Write::copy(value.0))
    }
}

impl<E: Element + ?Sized> Zero for List<'_, E> {
    #[inline]
    fn zero<'a>() -> List<'a, E> {
        List(None, PhantomData)
    }
}

impl<E: ?Sized> fmt::Debug for List<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::debug(self.0, f)
    }
}
