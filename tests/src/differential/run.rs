//! Sends sequences to both servers and says in which steps they differ.

use std::io;

use super::compare::{self, Difference};
use super::normal::normalize;
use super::sequence::Sequence;
use super::server::{Answer, Server};

/// Both servers.
pub struct Pair {
    /// Our API server.
    pub ours: Server,
    /// Upstream's.
    pub theirs: Server,
    namespaces: usize,
    prefix: String,
}

impl Pair {
    /// Namespaces that this pair makes begin with `prefix`: pairs that share the servers have different ones.
    pub fn new(ours: Server, theirs: Server, prefix: &str) -> Self {
        Self {
            ours,
            theirs,
            namespaces: 0,
            prefix: prefix.to_owned(),
        }
    }

    /// The differences of each step. What differs once and not again, in another namespace, was the moment's doing: a server's
    /// own writes move resource versions.
    pub async fn run(&mut self, sequence: &Sequence) -> io::Result<Vec<Vec<Difference>>> {
        let mut found = self.once(sequence).await?;
        if found.iter().any(|step| !step.is_empty()) {
            let again = self.once(sequence).await?;
            for (first, second) in found.iter_mut().zip(again) {
                first.retain(|difference| {
                    second.iter().any(|other| other.field == difference.field)
                });
            }
        }
        Ok(found)
    }

    async fn once(&mut self, sequence: &Sequence) -> io::Result<Vec<Vec<Difference>>> {
        self.namespaces += 1;
        let namespace = format!("{}-{}", self.prefix, self.namespaces);
        self.ours.begin(&namespace).await?;
        self.theirs.begin(&namespace).await?;
        let (mut ours, mut theirs): (Vec<Answer>, Vec<Answer>) = (Vec::new(), Vec::new());
        for step in &sequence.steps {
            let (mine, other) = tokio::join!(self.ours.send(step), self.theirs.send(step));
            let of = |whose: &str, error: io::Error| {
                io::Error::other(format!(
                    "{whose}, {}: {}: {error}",
                    sequence.name, step.request
                ))
            };
            ours.push(mine.map_err(|error| of("ours", error))?);
            theirs.push(other.map_err(|error| of("upstream's", error))?);
        }
        let words = |answers: &[Answer]| match sequence.independent {
            true => answers.chunks(1).flat_map(normalize).collect(),
            false => normalize(answers),
        };
        let (ours, theirs) = (words(&ours), words(&theirs));
        Ok(ours
            .iter()
            .zip(&theirs)
            .zip(&sequence.steps)
            .map(|((ours, theirs), step)| compare::answers(ours, theirs, step.path()))
            .collect())
    }
}
