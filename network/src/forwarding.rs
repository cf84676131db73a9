//! The host's own FORWARD policy. A base chain that drops cannot be overruled from another table, so pods' packets need a
//! rule in it. In the table that iptables keeps (`ip filter FORWARD`), two rules of ours are inserted, marked by a comment and
//! taken away by it; any other dropping chain belongs to someone who must be asked, and is reported.

use serde_json::Value;

use crate::{Error, nft};

/// Whether the host's own firewall lets pods' packets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardPolicy {
    /// iptables drops by default, and two rules of ours in its FORWARD chain accept what the bridge carries.
    pub rules_inserted: bool,
    /// Chains which drop forwarded packets by default and are not iptables' FORWARD, as `family table chain`: pods may not
    /// reach beyond the node until their owner lets them.
    pub foreign_drops: Vec<String>,
}

/// Finds what drops and inserts the missing rules.
pub async fn ensure(instance: &str, bridge: &str) -> Result<ForwardPolicy, Error> {
    let mut policy = ForwardPolicy::default();
    for chain in dropping(&nft::json(&["list", "chains"]).await?) {
        if chain == IPTABLES {
            insert(instance, bridge).await?;
            policy.rules_inserted = true;
        } else {
            policy.foreign_drops.push(chain);
        }
    }
    Ok(policy)
}

/// Takes our rules out of iptables' FORWARD chain.
pub async fn remove(instance: &str) -> Result<(), Error> {
    let Ok(listed) = nft::json(&["list", "chain", "ip", "filter", "FORWARD"]).await else {
        return Ok(()); // no such chain
    };
    let batch: String = ours(&listed, instance)
        .iter()
        .map(|handle| format!("delete rule ip filter FORWARD handle {handle}\n"))
        .collect();
    if batch.is_empty() {
        Ok(())
    } else {
        nft::run(&batch).await
    }
}

const IPTABLES: &str = "ip filter FORWARD";

async fn insert(instance: &str, bridge: &str) -> Result<(), Error> {
    let listed = nft::json(&["list", "chain", "ip", "filter", "FORWARD"]).await?;
    if ours(&listed, instance).len() == 2 {
        return Ok(());
    }
    remove(instance).await?;
    let comment = comment(instance);
    nft::run(&format!(
        "insert rule {IPTABLES} iifname \"{bridge}\" counter accept comment \"{comment}\"\n\
         insert rule {IPTABLES} oifname \"{bridge}\" counter accept comment \"{comment}\"\n"
    ))
    .await
}

fn comment(instance: &str) -> String {
    format!("gantry-{instance}")
}

/// The base chains on the forward hook whose policy is drop, as `family table chain`.
fn dropping(listed: &Value) -> Vec<String> {
    let objects = listed["nftables"].as_array().into_iter().flatten();
    let chains = objects.map(|object| &object["chain"]);
    chains
        .filter(|chain| {
            chain["hook"] == "forward" && chain["policy"] == "drop" && chain["family"] != "ip6"
        })
        .filter_map(|chain| {
            Some(format!(
                "{} {} {}",
                chain["family"].as_str()?,
                chain["table"].as_str()?,
                chain["name"].as_str()?
            ))
        })
        .collect()
}

/// The handles of our rules in a listed chain.
fn ours(listed: &Value, instance: &str) -> Vec<u64> {
    let objects = listed["nftables"].as_array().into_iter().flatten();
    let rules = objects.map(|object| &object["rule"]);
    rules
        .filter(|rule| rule["comment"] == comment(instance))
        .filter_map(|rule| rule["handle"].as_u64())
        .collect()
}
