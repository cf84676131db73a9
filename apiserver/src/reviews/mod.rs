//! Resources that are questions: created, answered, and stored nowhere.
//!
//! Each answers a POST with the object that was sent and its status filled (TokenReview, the access reviews), or with one of its
//! own (SelfSubjectReview, SelfSubjectRulesReview). This module must not know how decisions are made: `authn` and `authz` do.

mod access;
mod attributes;
mod rules;
mod subject;
mod token;

use std::sync::Arc;

use api::Tree;
use async_trait::async_trait;
use axum::body::Body;
use http::{Response, StatusCode};

use crate::admission::{Attributes, Operation};
use crate::authn::Authenticator;
use crate::codec::accept::{accepted_without_table, sent};
use crate::codec::object::set_kind;
use crate::registry::create::match_namespace;
use crate::registry::managed::{Writer, track};
use crate::registry::subresource::{Hook, Hooks};
use crate::registry::{Api, Call, body, meta, rules as kind_rules};
use crate::request::{CreateOptions, Stage};
use crate::status::Status;

/// A question that a POST asks.
trait Review: Send + Sync + 'static {
    /// Answers `asked`: the object as it was sent, with its namespace and field owners.
    fn answer(&self, api: &Api, call: &Call<'_>, asked: Tree) -> Result<Tree, Status>;
}

/// Serves a [`Review`].
struct Virtual<R>(R);

#[async_trait]
impl<R: Review> Hook for Virtual<R> {
    async fn serve(&self, api: &Api, call: &Call<'_>, raw: Body) -> Result<Response<Body>, Status> {
        let (cx, kind) = (call.cx, call.kind);
        let accepted = accepted_without_table(call.headers, call.raw_query)?;
        let media = sent(call.headers)?;
        let content = body::read(cx, raw).await?;
        let options = CreateOptions::parse(&cx.query)?;
        let mut asked = body::object(cx, kind, media, content, options.field_validation)?;
        cx.time(Stage::Defaulting, || kind_rules::default(&mut asked));
        meta::wipe_system_fields(&mut asked);
        match_namespace(call.namespace(), &mut asked)?;
        let manager = call.field_manager(&options.field_manager);
        track(
            kind,
            None,
            &mut asked,
            Writer {
                manager: &manager,
                subresource: "",
                now: api.env.now(),
            },
        );
        let name = meta::of(&asked).name().to_owned();
        let attributes = Attributes {
            cx,
            kind,
            subresource: "",
            operation: Operation::Create,
            namespace: call.namespace(),
            name: &name,
            dry_run: options.dry_run,
            delete: None,
        };
        cx.time_async(
            Stage::Admission,
            api.admission.mutate(&attributes, &mut asked, None),
        )
        .await?;
        cx.time_async(
            Stage::Admission,
            api.admission.validate(&attributes, Some(&asked), None),
        )
        .await?;
        let answer = self.0.answer(api, call, asked)?;
        api.respond_tree(cx, kind, accepted, StatusCode::CREATED, &answer)
    }
}

/// Serves all reviews.
pub fn serve(hooks: &mut Hooks, authenticator: &Arc<Authenticator>) {
    let authentication = "authentication.k8s.io";
    let authorization = "authorization.k8s.io";
    hooks.insert_resource(
        authentication,
        "tokenreviews",
        Arc::new(Virtual(token::TokenReviews::new(Arc::clone(authenticator)))),
    );
    hooks.insert_resource(
        authentication,
        "selfsubjectreviews",
        Arc::new(Virtual(subject::SelfSubjectReviews)),
    );
    hooks.insert_resource(
        authorization,
        "subjectaccessreviews",
        Arc::new(Virtual(access::SubjectAccessReviews)),
    );
    hooks.insert_resource(
        authorization,
        "localsubjectaccessreviews",
        Arc::new(Virtual(access::LocalSubjectAccessReviews)),
    );
    hooks.insert_resource(
        authorization,
        "selfsubjectaccessreviews",
        Arc::new(Virtual(access::SelfSubjectAccessReviews)),
    );
    hooks.insert_resource(
        authorization,
        "selfsubjectrulesreviews",
        Arc::new(Virtual(rules::SelfSubjectRulesReviews)),
    );
}

/// A new object of the kind of the request.
fn empty(call: &Call<'_>) -> Tree {
    let codec = &call.kind.codec;
    let mut tree = Tree::with_schema(codec.schema.clone(), codec.type_id);
    set_kind(&mut tree, codec);
    tree
}
