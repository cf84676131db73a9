//! What a run measures, in which order, and how an interrupted one is taken up.

use std::io;
use std::time::Instant;

use super::figures::Figures;
use super::ladder::rung;
use super::stages::{self, STAGES, Size, Stage};
use super::subject::Subject;

/// One thing that a round measures of each subject.
#[derive(Clone, Copy, Debug)]
pub enum Job {
    /// A stage.
    Stage(&'static Stage),
    /// A rung of the ladder: so many nodes.
    Rung(usize),
}

impl Job {
    fn name(self) -> String {
        match self {
            Self::Stage(stage) => stage.name.to_owned(),
            Self::Rung(nodes) => format!("scale-{nodes}"),
        }
    }

    fn compares(self) -> bool {
        match self {
            Self::Stage(stage) => stage.compares,
            Self::Rung(_) => true,
        }
    }

    async fn run(self, subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
        match self {
            Self::Stage(stage) => stages::run(stage.name, subject, size, figures).await,
            Self::Rung(nodes) => rung::run(nodes, subject, size, figures).await,
        }
    }
}

/// The stages that are asked for by name; of none, those of a full round or of a smoke run.
pub fn chosen(only: &[String], smoke: bool, against: bool) -> Vec<Job> {
    let wanted = |stage: &&Stage| {
        if only.is_empty() {
            // What Go builds is there only if upstream's is to be measured.
            (stage.smoke || !smoke) && (against || !stage.needs_go)
        } else {
            only.iter().any(|only| only == stage.name)
        }
    };
    STAGES.iter().filter(wanted).map(Job::Stage).collect()
}

/// Runs so many rounds of all jobs, each for one subject after the other. What the figures say is done is not done again.
///
/// # Errors
/// Of the first job that fails; what was done before stays done.
pub async fn run(
    jobs: &[Job],
    subjects: &[Subject],
    rounds: usize,
    size: Size,
    figures: &mut Figures,
) -> io::Result<()> {
    for round in 1..=rounds {
        for job in jobs {
            for &subject in subjects {
                let name = format!("{round}/{}/{}", job.name(), subject.as_str());
                if figures.is_done(&name) || (subject == Subject::Upstream && !job.compares()) {
                    continue;
                }
                let begun = Instant::now();
                job.run(subject, size, figures)
                    .await
                    .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
                println!("          {name}: {:.0} s", begun.elapsed().as_secs_f64());
                figures.finish(&name)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str], smoke: bool, against: bool) -> Vec<String> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        let jobs = chosen(&only, smoke, against);
        jobs.into_iter().map(Job::name).collect()
    }

    #[test]
    fn a_smoke_run_has_fewer_stages_unless_they_are_named() {
        assert_eq!(names(&[], false, true).len(), STAGES.len());
        assert!(names(&[], true, true).len() < STAGES.len());
        assert_eq!(names(&["ledger", "node"], true, false), ["node", "ledger"]);
        assert!(!names(&[], false, false).contains(&"crosscheck".to_owned()));
    }
}
