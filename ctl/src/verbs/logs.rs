//! `ctl logs`: what containers printed.

use std::io::Write;

use futures::stream::SelectAll;
use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::cluster::{Cluster, query};
use crate::duration;
use crate::error::{Error, Result};
use crate::resources::Resources;
use crate::rollouts::history;
use crate::targets;

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
    let of_selector = async |selector: &str| {
        let path = format!(
            "/api/v1/namespaces/{}/pods{}",
            cluster.namespace,
            query(&[("labelSelector", selector)])
        );
        let mut list = cluster.get(&path).await?;
        Ok::<_, Error>(match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        })
    };
    match (&args.selector, &args.word) {
        (Some(_), Some(_)) => Err(Error::Usage("take either a pod or a selector".into())),
        (None, None) => Err(Error::Usage("name a pod, or choose pods with -l".into())),
        (Some(selector), None) => {
            let pods = of_selector(selector).await?;
            if pods.is_empty() {
                Err(Error::Failed(format!(
                    "no pods with {selector} in namespace {}",
                    cluster.namespace
                )))
            } else {
                Ok(pods)
            }
        }
        (None, Some(word)) => {
            let Some((kind, name)) = word.split_once('/') else {
                return Ok(vec![
                    cluster
                        .get(&format!(
                            "/api/v1/namespaces/{}/pods/{word}",
                            cluster.namespace
                        ))
                        .await?,
                ]);
            };
            let resources = Resources::discover(cluster).await?;
            let resource = resources.find(kind)?;
            let object = cluster
                .get(&resource.object_path(&cluster.namespace, name))
                .await?;
            if resource.kind == "Pod" {
                return Ok(vec![object]);
            }
            let labels = &object["spec"]["selector"];
            // Services and replication controllers have bare labels where the others have a selector object.
            let selector =
                if labels["matchLabels"].is_null() && labels["matchExpressions"].is_null() {
                    history::selector(&serde_json::json!({"matchLabels": labels}))?
                } else {
                    history::selector(labels)?
                };
            if selector.is_empty() {
                return Err(Error::Usage(format!("{word} chooses no pods")));
            }
            let mut pods = of_selector(&selector).await?;
            // One pod stands for all: the youngest that runs.
            pods.sort_by_key(|pod| {
                (
                    pod["status"]["phase"] != "Running",
                    std::cmp::Reverse(pod["metadata"]["creationTimestamp"].to_string()),
                )
            });
            let count = pods.len();
            let pod = pods
                .into_iter()
                .next()
                .ok_or_else(|| Error::Failed(format!("{word} has no pods")))?;
            if count > 1 {
                eprintln!("Found {count} pods, using pod/{}", targets::name(&pod));
            }
            Ok(vec![pod])
        }
    }
}

fn containers(args: &Args, pod: &Value) -> Result<Vec<String>> {
    let names = |list: &str| -> Vec<String> {
        pod["spec"][list]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|container| container["name"].as_str())
            .map(str::to_owned)
            .collect()
    };
    let regular = names("containers");
    let all: Vec<String> = names("initContainers")
        .into_iter()
        .chain(regular.clone())
        .chain(names("ephemeralContainers"))
        .collect();
    if args.all_containers {
        return Ok(all);
    }
    let annotated =
        pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    match args
        .container
        .as_deref()
        .or(args.container_word.as_deref())
        .or(annotated)
    {
        Some(name) if all.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(Error::Failed(format!(
            "pod {} has no container {name:?}: it has {}",
            targets::name(pod),
            all.join(", ")
        ))),
        None => {
            if regular.len() > 1 {
                eprintln!(
                    "Defaulted container {:?} out of: {}",
                    regular[0],
                    all.join(", ")
                );
            }
            Ok(regular.into_iter().take(1).collect())
        }
    }
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
