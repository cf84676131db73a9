//! Discovery documents: byte for byte upstream's, in every form.

use api::Tree;
use api::kinds::Kinds;
use apiserver::codec::object::encode_tree;
use apiserver::codec::rendering::Media;
use apiserver::discovery::{Group, aggregated, legacy};
use e2e::load::client::Connection;

const AGGREGATED: &str = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

async fn compare(connection: &mut Connection, path: &str, as_kind: &str, ours: &Tree) {
    for media in [Media::Json, Media::Yaml, Media::Protobuf] {
        let theirs = connection
            .get(path, &format!("{}{as_kind}", media.as_str()))
            .await
            .unwrap();
        assert_eq!(theirs.status(), 200, "{path}");
        assert_eq!(
            *theirs.body(),
            encode_tree(ours, media),
            "{path} as {}",
            media.as_str()
        );
        if let Some(tag) = theirs.headers().get("etag") {
            assert_eq!(
                *tag,
                *aggregated::entity_tag(&encode_tree(ours, Media::Json)),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn discovery_documents_are_upstreams_byte_for_byte() {
    let (upstream, mut connection) = super::upstream().await;
    let groups = Group::of_kinds(Kinds::builtin());
    let (core, others): (Vec<&Group>, Vec<&Group>) =
        groups.iter().partition(|group| group.name.is_empty());
    compare(
        &mut connection,
        "/api",
        AGGREGATED,
        &aggregated::document(core.clone()),
    )
    .await;
    compare(
        &mut connection,
        "/apis",
        AGGREGATED,
        &aggregated::document(others.clone()),
    )
    .await;
    let address = upstream.url.strip_prefix("https://").unwrap();
    compare(
        &mut connection,
        "/api",
        "",
        &legacy::versions(core[0], Some(address)),
    )
    .await;
    compare(
        &mut connection,
        "/apis",
        "",
        &legacy::groups(others.clone()),
    )
    .await;
    for group in &groups {
        let path = if group.name.is_empty() {
            "/api".to_owned()
        } else {
            format!("/apis/{}", group.name)
        };
        if !group.name.is_empty() {
            compare(&mut connection, &path, "", &legacy::group(group)).await;
        }
        for version in &group.versions {
            compare(
                &mut connection,
                &format!("{path}/{}", version.name),
                "",
                &legacy::resources(group, version),
            )
            .await;
        }
    }
}
