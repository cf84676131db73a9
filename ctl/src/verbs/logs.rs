//! `ctl logs`: what containers printed.

use std::io::Write;

use futures::stream::SelectAll;
use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::duration;
use crate::error::{Error, Result};
use crate::{pods, targets};

/// Options of `logs`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// POD, or KIND/NAME of something that has pods.
    word: Option<String>,
    /// CONTAINER, as kubectl takes it.
    container_word: Option<String>,
    /// Container of the pod; the first (or the annotated default) when not given.
    #[arg(short, long)]
    container: Option<String>,
    /// All containers.
    #[arg(long)]
    all_containers: bool,
    /// Pods that this selector chooses.
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// Go on printing what comes.
    #[arg(short, long)]
    follow: bool,
    /// Of the run before the last restart.
    #[arg(short, long)]
    previous: bool,
    /// Only the last lines; all when -1.
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    tail: i64,
    /// Only what is younger, such as 5m.
    #[arg(long, value_parser = duration::parse)]
    since: Option<std::time::Duration>,
    /// Only what came after this RFC 3339 time.
    #[arg(long)]
    since_time: Option<String>,
    /// With the time of each line.
    #[arg(long)]
    timestamps: bool,
    /// At most so many bytes.
    #[arg(long)]
    limit_bytes: Option<u64>,
    /// With pod and container before each line.
    #[arg(long)]
    prefix: bool,
}

/// One container's log.
struct Source {
    pod: String,
    container: String,
}

/// Prints logs; those of several containers together, line by line.
pub async fn run(args: Args, cluster: &Cluster, out: &mut dyn Write) -> Result<()> {
    let pods = pods(&args, cluster).await?;
    let mut sources = Vec::new();
    for pod in &pods {
        for container in containers(&args, pod)? {
            sources.push(Source {
                pod: targets::name(pod).to_owned(),
                container,
            });
        }
    }
    let prefix = args.prefix || (args.selector.is_some() && args.follow && sources.len() > 1);
    let mut logs = SelectAll::new();
    for source in sources {
        let path = path(&args, cluster, &source);
        let lines = cluster.lines(&path, "*/*").await?;
        let head = if prefix {
            format!("[pod/{}/{}] ", source.pod, source.container)
        } else {
            String::new()
        };
        let lines = lines.map(move |line| line.map(|line| format!("{head}{line}")));
        if args.follow {
            logs.push(lines.boxed());
        } else {
            // What is over is printed container by container.
            let mut lines = lines;
            while let Some(line) = lines.next().await {
                writeln!(out, "{}", line?)?;
            }
        }
    }
    logs.push(stream::empty().boxed());
    while let Some(line) = logs.next().await {
        writeln!(out, "{}", line?)?;
        out.flush()?;
    }
    Ok(())
}

async fn pods(args: &Args, cluster: &Cluster) -> Result<Vec<Value>> {
    match (&args.selector, &args.word) {
        (Some(_), Some(_)) => Err(Error::Usage("take either a pod or a selector".into())),
        (None, None) => Err(Error::Usage("name a pod, or choose pods with -l".into())),
        (Some(selector), None) => {
            let pods = pods::of_selector(cluster, selector).await?;
            if pods.is_empty() {
                Err(Error::Failed(format!(
                    "no pods with {selector} in namespace {}",
                    cluster.namespace
                )))
            } else {
                Ok(pods)
            }
        }
        (None, Some(word)) => Ok(vec![pods::find(cluster, word).await?]),
    }
}

fn containers(args: &Args, pod: &Value) -> Result<Vec<String>> {
    if args.all_containers {
        return Ok(pods::containers(pod));
    }
    let wanted = args.container.as_deref().or(args.container_word.as_deref());
    Ok(vec![pods::container(pod, wanted)?])
}

fn path(args: &Args, cluster: &Cluster, source: &Source) -> String {
    let mut pairs = vec![("container", source.container.clone())];
    if args.follow {
        pairs.push(("follow", "true".into()));
    }
    if args.previous {
        pairs.push(("previous", "true".into()));
    }
    if args.timestamps {
        pairs.push(("timestamps", "true".into()));
    }
    // Of many pods the last lines are enough, as in kubectl.
    let tail = if args.tail < 0 && args.selector.is_some() {
        10
    } else {
        args.tail
    };
    if tail >= 0 {
        pairs.push(("tailLines", tail.to_string()));
    }
    if let Some(since) = args.since {
        pairs.push(("sinceSeconds", since.as_secs().max(1).to_string()));
    }
    if let Some(time) = &args.since_time {
        pairs.push(("sinceTime", time.clone()));
    }
    if let Some(limit) = args.limit_bytes {
        pairs.push(("limitBytes", limit.to_string()));
    }
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    format!(
        "/api/v1/namespaces/{}/pods/{}/log{}",
        cluster.namespace,
        source.pod,
        query(&pairs)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn choose(line: &[&str]) -> Result<Vec<String>> {
        let pod = serde_json::json!({"metadata": {"name": "p"}, "spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "a"}, {"name": "b"}]}});
        containers(&Line::parse_from(["logs"].iter().chain(line)).args, &pod)
    }

    #[test]
    fn containers_are_chosen_as_kubectl_chooses_them() {
        assert_eq!(choose(&["p"]).unwrap(), ["a"]);
        assert_eq!(choose(&["p", "b"]).unwrap(), ["b"]);
        assert_eq!(choose(&["p", "-c", "i"]).unwrap(), ["i"]);
        assert_eq!(choose(&["p", "--all-containers"]).unwrap(), ["i", "a", "b"]);
        assert!(
            choose(&["p", "-c", "x"])
                .unwrap_err()
                .to_string()
                .contains("i, a, b")
        );
    }
}
