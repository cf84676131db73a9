//! ImageLocality: nodes that have the pod's images already start it sooner. Images that only few nodes have weigh less,
//! so that pods do not crowd where their image first was.

use crate::plugins::{MAX_SCORE, Plugin, Score, Template};
use crate::snapshot::{NodeIx, Nodes};

const MEBIBYTE: i64 = 1024 * 1024;
/// Less than this in all is not worth a preference.
const LEAST: i64 = 23 * MEBIBYTE;
/// More than this a container is worth no more.
const MOST_A_CONTAINER: i64 = 1000 * MEBIBYTE;

/// See the file's documentation.
pub struct ImageLocality;

impl Score for ImageLocality {
    fn plugin(&self) -> Plugin {
        Plugin::ImageLocality
    }

    fn weight(&self) -> i64 {
        1
    }

    fn score(&self, template: &Template, nodes: &Nodes, at: NodeIx) -> i64 {
        let images = &template.needs.images;
        let Some(shape) = nodes.shape(at).filter(|_| !images.is_empty()) else {
            return 0;
        };
        let present: i64 = images
            .iter()
            .filter_map(|image| {
                let place = shape
                    .images
                    .binary_search_by(|(name, _)| name.cmp(image))
                    .ok()?;
                let spread = f64::from(nodes.nodes_with_image(image)) / nodes.len() as f64;
                Some((shape.images[place].1 as f64 * spread) as i64)
            })
            .sum();
        let most = MOST_A_CONTAINER * images.len() as i64;
        MAX_SCORE * (present.clamp(LEAST, most) - LEAST) / (most - LEAST)
    }
}
