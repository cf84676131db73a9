//! One contract, all engines: each check of [`contract`] runs on the memory, redb and etcd engines, the last with the
//! distribution's etcd and with upstream's. [`model`] compares random histories with a slow, obvious model.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Also in what tests share.

#[path = "../common/mod.rs"]
mod common;

mod beds;
mod contract;
mod model;

macro_rules! suite {
    ($engine:ident, $($check:ident),+ $(,)?) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    if let Some(bed) = crate::beds::$engine().await {
                        crate::contract::$check(&bed).await;
                    }
                }
            )+

            #[test]
            fn random_histories_equal_the_model() {
                crate::model::compare(crate::beds::$engine);
            }
        }
    };
}

macro_rules! suites {
    ($($engine:ident),+; $checks:tt) => { $( suites!(@one $engine $checks); )+ };
    (@one $engine:ident ($($check:ident),+ $(,)?)) => { suite!($engine, $($check),+); };
}

suites!(memory, redb, etcd_distribution, etcd_upstream; (
    what_is_appended_is_loaded,
    a_load_is_ordered_limited_to_its_prefix_and_not_moved_by_later_writes,
    a_large_load_comes_in_chunks,
    keys_and_values_are_any_bytes,
    creating_what_exists_conflicts_and_shows_it,
    updating_needs_the_last_revision,
    a_conflict_names_the_first_operation_that_failed,
    several_operations_take_effect_at_one_revision_or_not_at_all,
    what_changes_nothing_makes_no_revision,
    a_recreated_key_has_a_new_create_revision,
    a_tail_yields_every_revision_once_and_in_order,
    a_tail_starts_in_the_past_or_waits_for_the_future,
    every_tail_reaches_the_head,
    compaction_ends_tails_of_the_past,
    compacting_the_future_is_invalid,
    what_no_engine_takes_is_refused_by_all,
    the_largest_append_is_accepted,
    one_of_many_writers_wins_each_revision,
    an_append_outlives_its_caller,
    what_has_a_time_to_live_expires_in_the_log,
    a_time_to_live_ends_with_the_next_write,
    a_log_shut_down_says_so,
    health_tells_the_engine_and_its_size,
));
