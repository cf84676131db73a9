//! Jobs and CronJobs.

mod cron_job;
mod indexes;
mod job;
mod policy;
mod status;
mod template;

pub(super) use cron_job::{create as cron_job, update as cron_job_update};
pub(super) use job::{create as job, update as job_update};
pub(super) use status::update as job_status;
