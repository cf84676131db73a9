//! `serviceaccounts/token`: a token for a time and an audience, bound to an object if that is asked for (KEP-1205).

use std::sync::Arc;

use api::apply::{self, FieldSet};
use api::authentication::v1::{TokenRequest as View, TokenRequestMut};
use api::core::v1::Pod;
use api::field::{BadValue, Error, ErrorList, Path};
use api::{Time, Tree};
use async_trait::async_trait;
use axum::body::Body;
use http::{Response, StatusCode};

use crate::admission::{Attributes, Operation};
use crate::authn::{BoundObject, TokenIssuer, TokenRequest};
use crate::codec::accept::{accepted, sent};
use crate::codec::object::{decode, set_kind_named};
use crate::registry::subresource::Hook;
use crate::registry::{Api, Call, body, meta};
use crate::request::{CreateOptions, Stage};
use crate::status::{Qualified, Status};

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
/// How long a token lives that does not say, in seconds.
const HOUR: i64 = 3600;
/// The least that may be asked for, in seconds.
const LEAST: i64 = 600;
/// The lifetime that the ServiceAccount admission step asks for, by which its tokens are told from others, in seconds.
const INJECTED: i64 = 3607;
/// How long such a token really lives, for clients that do not read it again, in seconds.
const EXTENDED: i64 = 365 * 24 * 3600;

/// Issues tokens.
pub struct Tokens {
    issuer: Option<Arc<TokenIssuer>>,
    /// The audiences of this server.
    audiences: Vec<String>,
}

/// The objects that a token is bound to.
#[derive(Default)]
struct Bound {
    pod: Option<BoundObject>,
    node: Option<BoundObject>,
    secret: Option<BoundObject>,
}

impl Tokens {
    /// Issues tokens by `issuer`; without one the endpoint is not served.
    pub fn new(issuer: Option<Arc<TokenIssuer>>, audiences: Vec<String>) -> Tokens {
        Tokens { issuer, audiences }
    }

    async fn issue(
        &self,
        api: &Api,
        call: &Call<'_>,
        issuer: &TokenIssuer,
        mut request: Tree,
    ) -> Result<Tree, Status> {
        let (name, namespace) = (call.name(), call.namespace());
        match_url(call, &request)?;
        let account = find(api, call, "serviceaccounts", namespace, name).await?;
        let account = BoundObject {
            name: name.to_owned(),
            uid: meta::of(&account).uid().to_owned(),
        };
        let uid = meta::of(&request).uid().to_owned();
        if !uid.is_empty() && uid != account.uid {
            let why = format!(
                "the UID in the token request ({uid}) does not match the UID of the service account ({})",
                account.uid
            );
            return Err(Status::conflict(Qualified::new(GROUP, KIND), name, why));
        }
        self.complete(&mut request, call, &account, api.env.now().as_second());
        validate(&request)?;
        let bound = bind(api, call, &request).await?;

        let spec = View::of(&request).spec();
        let asked = spec.expiration_seconds().unwrap_or(HOUR);
        let audiences: Vec<String> = spec.audiences().iter().map(str::to_owned).collect();
        let own = audiences
            .iter()
            .all(|audience| self.audiences.contains(audience));
        // Tokens that pods get by themselves outlive what they say, and their late use is noted.
        let extended = bound.pod.is_some() && asked == INJECTED && own;
        let (token, expires) = issuer
            .issue(&TokenRequest {
                namespace: namespace.to_owned(),
                account,
                audiences,
                expiration_seconds: if extended { EXTENDED } else { asked },
                pod: bound.pod,
                node: bound.node,
                secret: bound.secret,
                warn_after_seconds: extended.then_some(asked),
            })
            .map_err(|error| Status::internal(format!("failed to generate token: {error}")))?;
        let told = expires.as_second() - if extended { EXTENDED - asked } else { 0 };
        meta::remove(&mut request.root_mut(), "status");
        let mut view = TokenRequestMut::of(&mut request);
        let mut status = view.status_mut();
        status.set_token(&token);
        if let Some(expires) = Time::from_seconds(told) {
            status.set_expiration_timestamp(expires);
        }
        Ok(request)
    }

    /// What the request leaves open.
    fn complete(&self, request: &mut Tree, call: &Call<'_>, account: &BoundObject, now: i64) {
        let mut metadata = meta::of_mut(request);
        metadata.set("name", call.name());
        metadata.set("namespace", call.namespace());
        metadata.set("uid", account.uid.as_str());
        metadata.set_time("creationTimestamp", now);
        let without = View::of(request).spec().audiences().is_empty();
        let mut view = TokenRequestMut::of(request);
        let mut spec = view.spec_mut();
        spec.default_expiration_seconds(HOUR);
        for audience in self.audiences.iter().filter(|_| without) {
            spec.push_audiences(audience);
        }
    }
}

#[async_trait]
impl Hook for Tokens {
    async fn serve(&self, api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
        let Some(issuer) = &self.issuer else {
            return Err(Status::unknown_resource());
        };
        let cx = call.cx;
        let accepted = accepted(call.headers, call.raw_query)?;
        let media = sent(call.headers)?;
        let content = body::read(cx, raw).await?;
        let options = CreateOptions::parse(&cx.query)?;
        let expected = body::Expected {
            group: GROUP,
            version: "v1",
            kind: KIND,
            type_id: View::TYPE,
            schema: &call.kind.codec.schema,
        };
        let mut request = cx.time(Stage::Decode, || {
            body::decode(cx, expected, media, content, options.field_validation)
        })?;
        set_kind_named(&mut request, "authentication.k8s.io/v1", KIND);
        TokenRequestMut::of(&mut request)
            .spec_mut()
            .default_expiration_seconds(HOUR);
        let writer = apply::Writer {
            manager: &call.field_manager(&options.field_manager),
            api_version: "authentication.k8s.io/v1",
            subresource: "token",
            ignored: &FieldSet::of_paths(&[&["status"]]),
            now: Time::from(api.env.now()),
        };
        apply::update(None, &mut request, &writer);
        let attributes = Attributes {
            cx,
            kind: call.kind,
            subresource: "token",
            operation: Operation::Create,
            namespace: call.namespace(),
            name: call.name(),
            dry_run: options.dry_run,
            delete: None,
        };
        cx.time_async(
            Stage::Admission,
            api.admission.mutate(&attributes, &mut request, None),
        )
        .await?;
        // As it was sent: NodeRestriction asks which audience the node named, not which one it gets.
        cx.time_async(
            Stage::Admission,
            api.admission.validate(&attributes, Some(&request), None),
        )
        .await?;
        let answer = self.issue(api, call, issuer, request).await?;
        api.respond_tree(cx, call.kind, accepted, StatusCode::CREATED, &answer)
    }
}

/// What the body says of name and namespace is what the path says.
fn match_url(call: &Call<'_>, request: &Tree) -> Result<(), Status> {
    let given = meta::of(request);
    let path = Path::new("metadata");
    for (field, given, wanted, what) in [
        ("name", given.name(), call.name(), "name"),
        (
            "namespace",
            given.namespace(),
            call.namespace(),
            "namespace",
        ),
    ] {
        if !given.is_empty() && given != wanted {
            let why = format!("must match the service account {what} if specified");
            let errors = [Error::invalid(&path.child(field), given, why)]
                .into_iter()
                .collect();
            return Err(Status::invalid(
                Qualified::new(GROUP, KIND),
                call.name(),
                &errors,
            ));
        }
    }
    Ok(())
}

fn validate(request: &Tree) -> Result<(), Status> {
    let spec = Path::new("spec");
    let path = spec.child("expirationSeconds");
    let seconds = View::of(request)
        .spec()
        .expiration_seconds()
        .unwrap_or(HOUR);
    let mut errors = ErrorList::new();
    if seconds < LEAST {
        errors.push(Error::invalid(
            &path,
            seconds,
            "may not specify a duration less than 10 minutes",
        ));
    }
    if seconds > 1 << 32 {
        errors.push(Error::invalid(
            &path,
            seconds,
            "may not specify a duration larger than 2^32 seconds",
        ));
    }
    if let Some(attestations) = request
        .root()
        .path("spec.attestations")
        .filter(|a| !a.is_empty())
    {
        let shown = api::codec::json::to_vec(&Tree::copy_of(attestations));
        let shown = BadValue::Json(String::from_utf8_lossy(&shown).into_owned());
        let why = "attestations may only be specified with a webhook bound object reference";
        errors = [Error::invalid(&spec.child("attestations"), shown, why)]
            .into_iter()
            .collect();
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid(Qualified::new(GROUP, KIND), "", &errors)),
    }
}

/// Finds the object that the token is to be bound to.
async fn bind(api: &Api, call: &Call<'_>, request: &Tree) -> Result<Bound, Status> {
    let Some(reference) = View::of(request).spec().bound_object_ref() else {
        return Ok(Bound::default());
    };
    let (name, namespace) = (reference.name(), call.namespace());
    let (group, version) = match reference.api_version().split_once('/') {
        Some(parts) => parts,
        None => ("", reference.api_version()),
    };
    let identify = |object: &Tree| BoundObject {
        name: name.to_owned(),
        uid: meta::of(object).uid().to_owned(),
    };
    let mut bound = Bound::default();
    let found = match (group, reference.kind()) {
        ("", "Pod") => {
            let pod = find(api, call, "pods", namespace, name).await?;
            let spec = Pod::of(&pod).spec();
            if spec.service_account_name() != call.name() {
                return Err(Status::bad_request(format!(
                    "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
                    api::field::quote(call.name())
                )));
            }
            if !spec.node_name().is_empty() {
                // A node that is gone is named all the same.
                let node = find(api, call, "nodes", "", spec.node_name()).await.ok();
                let uid = node
                    .map(|node| meta::of(&node).uid().to_owned())
                    .unwrap_or_default();
                bound.node = Some(BoundObject {
                    name: spec.node_name().to_owned(),
                    uid,
                });
            }
            bound.pod.insert(identify(&pod))
        }
        ("", "Node") => bound
            .node
            .insert(identify(&find(api, call, "nodes", "", name).await?)),
        ("", "Secret") => bound.secret.insert(identify(
            &find(api, call, "secrets", namespace, name).await?,
        )),
        (group, kind) => {
            let gate = match (group, version, kind) {
                (
                    "admissionregistration.k8s.io",
                    "v1",
                    "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
                ) => " (feature gate APIServerWebhookAuthenticationToken is disabled)",
                _ => "",
            };
            return Err(Status::bad_request(format!(
                "cannot bind token to object of type {group}/{version}, Kind={kind}{gate}"
            )));
        }
    };
    if !reference.uid().is_empty() && reference.uid() != found.uid {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and \
             then recreated",
            reference.uid()
        );
        return Err(Status::conflict(
            Qualified::new(group, reference.kind()),
            name,
            why,
        ));
    }
    Ok(bound)
}

/// An object of the core group as it is now.
async fn find(
    api: &Api,
    call: &Call<'_>,
    resource: &str,
    namespace: &str,
    name: &str,
) -> Result<Tree, Status> {
    let kinds = api.kinds();
    let kind = kinds
        .get("", "v1", resource)
        .ok_or_else(Status::unknown_resource)?;
    match api.fresh(call.cx, kind, &kind.key(namespace, name)).await? {
        Some(object) => Ok(decode(&kind.codec, &object)?),
        None => Err(Status::not_found(kind.qualified(), name)),
    }
}
