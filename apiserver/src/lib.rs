//! The API server: from HTTP to the log and back.
//!
//! It knows identity, authorization, flow control, admission, the live view, watch and discovery. It must never know
//! scheduling, containers or networks, and nobody else touches the store.
//!
//! # The way of a request
//!
//! ```text
//! serve    TLS, HTTP/1.1 and HTTP/2; the client's certificate, judged once a connection
//! chain    request info → authn → impersonation → flow → authz → handler → the answer's head
//! registry the verbs: decode, admission, validation, log, view
//! status   whatever went wrong, as a metav1.Status, once
//! ```
//!
//! # The modules, and what each must not know
//!
//! | module | what it is for | must not know |
//! |---|---|---|
//! | [`mod@env`] | clock and randomness from outside | anything else |
//! | [`identity`] | who is calling | how that was found out |
//! | [`pki`] | keys, certificates, kubeconfigs under the data directory | what they are used for |
//! | [`serve`] | connections | what a request means |
//! | [`request`] | request info, query options, the request's context | any kind, any storage |
//! | [`status`] | failures as clients see them | how requests are handled |
//! | [`authn`] | certificates, service account tokens, impersonation | what the caller wants |
//! | [`authz`] | RBAC, the node authorizer, reviews, escalation | how objects are stored or encoded |
//! | [`flow`] | seats; what stands before priority and fairness | what a request does |
//! | [`health`], [`version`], [`metrics`], [`audit`] | what the server says of itself | |
//! | [`view`] | every object in memory, fed by the log's tail | kinds, requests, callers |
//! | [`codec`] | negotiation, renderings, lists and watch frames | verbs, admission, storage |
//! | [`registry`] | one pipeline for all kinds, a file a verb | sockets, how anybody was authenticated |
//! | [`admission`] | what may change or refuse a write | the log |
//! | [`cel`] | the language of policies: from source to value, within a budget | admission, kinds, requests |
//! | [`compaction`] | when the past is forgotten | what it is of |
//! | [`bootstrap`] | what a cluster begins with | how it is stored |
//! | `pod_references` | what a pod names of the API | who may read it |
//! | [`server`] | puts all of it together | |
//! | [`chain`] | the order of the above around a handler | any kind; how a request came in |
//!
//! # Seams for the pipeline
//!
//! - **Handling**: implement [`chain::Handler`] and put it into [`chain::Wiring::resources`]. It gets every request whose path
//!   is a resource's, authorized, with its [`request::RequestContext`]; `cx.info` tells verb, group, version, resource,
//!   subresource, namespace and name (the resource may not exist: answer [`status::Status::unknown_resource`]). It returns
//!   an answer or a [`status::Status`]; never render an error yourself, except a watch that fails after it began
//!   ([`status::Status::to_watch_event`]). The future is dropped at the deadline or when the client goes away: spawn what
//!   must go on. Discovery and OpenAPI are routes in [`chain::Wiring::routes`].
//! - **Options**: [`request::ListOptions`], [`request::GetOptions`], [`request::CreateOptions`], [`request::PatchOptions`],
//!   [`request::DeleteOptions`] parse from `cx.query`; selectors stay text. [`request::read_body`] reads within
//!   [`request::MAX_BODY_BYTES`].
//! - **Stages**: wrap work in `cx.time(Stage::Decode, || …)` or `cx.time_async`; `cx.warn` and `cx.annotate` are
//!   for client and audit.
//! - **Seats**: the seat is given back when the last reference to the context is dropped, which for a list is before its body is
//!   taken: that is bounded in time (`codec::bounded`). `cx.leave_seat()` gives it back early.
//! - **Streams** end when `cx.draining` does, else they are cut at the end of the drain.
//! - **Derived indexes**: where the view applies a change (`server::policy`, `server::nodes`), feed [`authz::rbac::PolicySink`] (roles and bindings) and
//!   [`authz::node::NodeSink`] (pods, volumes, attachments, slices) of [`chain::ApiServer::authorizer`]; both are behind
//!   short locks. [`authn::TokenSubjects`] is answered from the view.
//! - **Writes of roles and bindings** ask [`authz::Authorizer::may_write_role`] and [`authz::Authorizer::may_bind`]; reviews
//!   ask [`authz::Authorizer::review`] and [`authz::Authorizer::rules_for`]; `serviceaccounts/token` and TokenReview use
//!   [`authn::TokenIssuer`] and [`authn::TokenAuthenticator`].
//! - **First start** writes [`authz::bootstrap::Policy::builtin`] as objects, with its label and annotation; a controller
//!   fills the roles that collect. Readiness: [`health::Health::add_ready`].
//! - **Components of the same process** call [`chain::ApiServer::in_process`].

pub mod admission;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod bootstrap;
pub mod cel;
pub mod chain;
pub mod codec;
pub mod compaction;
pub mod components;
pub mod discovery;
pub mod env;
pub mod flow;
pub mod health;
pub mod identity;
pub mod kubelets;
mod leaders;
pub mod metrics;
pub mod openapi;
pub mod pki;
mod pod_references;
mod proxy;
pub mod registry;
pub mod request;
pub mod reviews;
pub mod run;
pub mod serve;
pub mod server;
pub mod services;
pub mod status;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod version;
pub mod view;
