//! From the table of kinds to paths and operations.

use api::Schema;
use api::kinds::{Resource, Subresource, Verb};
use api::schema::GroupVersionKind;

use super::facts;
use super::model::{Content, Leaf, Method, Named, Operation, Parameter, PathItem};
use super::names::{capitalized, group_tag};
use super::parameters::{hoist, in_path, of_options, query};

const ANY: &[&str] = &["*/*"];
const TEXT: &str = "text/plain";
const OBJECT: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];
const STREAM: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
const LOG: &[&str] = &[
    TEXT,
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];
const PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const JSON: &[&str] = &["application/json"];

/// The parameters of each verb, worked out once a document.
struct Options {
    list: Vec<Parameter>,
    create: Vec<Parameter>,
    update: Vec<Parameter>,
    patch: Vec<Parameter>,
    delete: Vec<Parameter>,
    delete_collection: Vec<Parameter>,
}

impl Options {
    fn new(schema: &Schema) -> Options {
        let list = of_options(schema, "meta/v1.ListOptions");
        let delete = of_options(schema, "meta/v1.DeleteOptions");
        let mut delete_collection = delete.clone();
        let selecting = list
            .iter()
            .filter(|p| !matches!(p.name.as_str(), "watch" | "allowWatchBookmarks"));
        delete_collection.extend(selecting.cloned());
        delete_collection.sort();
        Options {
            list,
            create: of_options(schema, "meta/v1.CreateOptions"),
            update: of_options(schema, "meta/v1.UpdateOptions"),
            patch: of_options(schema, "meta/v1.PatchOptions"),
            delete,
            delete_collection,
        }
    }
}

/// Makes the paths of resources.
pub struct Paths<'a> {
    schema: &'a Schema,
    options: Options,
    items: Vec<PathItem>,
}

/// What the operations of one resource have in common.
#[derive(Clone)]
struct Common<'a> {
    resource: &'a Resource,
    base: String,
    tag: String,
    /// `AppsV1`.
    version: String,
    /// `Namespaced`, or nothing.
    scope: &'static str,
}

impl<'a> Paths<'a> {
    /// No paths yet.
    pub fn new(schema: &'a Schema) -> Paths<'a> {
        Paths {
            schema,
            options: Options::new(schema),
            items: Vec::new(),
        }
    }

    /// All paths, sorted.
    pub fn finish(mut self) -> Vec<PathItem> {
        self.items.sort_by(|a, b| a.path.cmp(&b.path));
        self.items
    }

    /// A path that answers a document about the server: `/api/`, `/version/`.
    pub fn add_document(&mut self, path: &str, tag: String, id: String, answer: Named) {
        let consumes = if path == "/version/" { JSON } else { OBJECT };
        self.items.push(PathItem {
            path: path.to_owned(),
            parameters: Vec::new(),
            operations: vec![Operation {
                method: Method::Get,
                id,
                tag,
                action: "",
                kind: None,
                parameters: Vec::new(),
                body: None,
                responses: vec![(200, Content::Type(answer))],
                consumes,
                produces: consumes,
            }],
        });
    }

    /// A path that answers a document whose form others have laid down.
    pub fn add_text(&mut self, path: &str, tag: &str, id: &str, produces: &'static [&'static str]) {
        self.items.push(PathItem {
            path: path.to_owned(),
            parameters: Vec::new(),
            operations: vec![Operation {
                method: Method::Get,
                id: id.to_owned(),
                tag: tag.to_owned(),
                action: "",
                kind: None,
                parameters: Vec::new(),
                body: None,
                responses: vec![(200, Content::Text)],
                consumes: &[],
                produces,
            }],
        });
    }

    /// The paths of one resource.
    pub fn add_resource(&mut self, resource: &Resource) {
        let base = match resource.group.as_str() {
            "" => format!("/api/{}", resource.version),
            group => format!("/apis/{group}/{}", resource.version),
        };
        let group = group_tag(&resource.group);
        let common = Common {
            resource,
            tag: format!("{group}_{}", resource.version),
            version: format!("{}{}", capitalized(&group), capitalized(&resource.version)),
            base,
            scope: if resource.namespaced {
                "Namespaced"
            } else {
                ""
            },
        };
        self.collection(&common);
        self.item(&common);
        for sub in &resource.subresources {
            self.subresource(&common, sub);
        }
        if resource.verbs.contains(Verb::Watch) {
            self.watches(&common);
        }
    }

    fn collection(&mut self, c: &Common<'_>) {
        let r = c.resource;
        let has = |verb| r.verbs.contains(verb);
        let list = |scope: &str, all: &str| {
            let id = format!("list{}{scope}{}{all}", c.version, r.kind);
            let answer = r.list_type_id.unwrap_or(r.type_id);
            let answer = vec![(200, Content::Type(Named::Message(answer)))];
            operation(
                c,
                Method::Get,
                "list",
                id,
                &self.options.list,
                answer,
                STREAM,
            )
        };
        let mut operations = Vec::new();
        if has(Verb::List) {
            operations.push(list(c.scope, ""));
        }
        if has(Verb::Create) {
            operations.push(self.create(c, &r.kind, "", own_kind(r), Named::Message(r.type_id)));
        }
        if has(Verb::DeleteCollection) {
            let id = format!("delete{}Collection{}{}", c.version, c.scope, r.kind);
            let answer = vec![(200, Content::Type(self.common_type("meta/v1.Status")))];
            let action = "deletecollection";
            let options = &self.options.delete_collection;
            let mut delete = operation(c, Method::Delete, action, id, options, answer, OBJECT);
            delete.body = Some((self.common_type("meta/v1.DeleteOptions"), false));
            operations.push(delete);
        }
        if r.namespaced && has(Verb::List) {
            let everywhere = vec![list("", "ForAllNamespaces")];
            self.push(format!("{}/{}", c.base, r.name), Vec::new(), everywhere);
        }
        let (path, of_path) = self.place(c, &c.base, false);
        self.push(path, of_path, operations);
    }

    fn item(&mut self, c: &Common<'_>) {
        let r = c.resource;
        let object = Named::Message(r.type_id);
        let mut operations = self.reads_and_writes(c, r.verbs, "", &own_kind(r), object);
        if r.verbs.contains(Verb::Delete) {
            let answers_object =
                facts::DELETE_ANSWERS_OBJECT.contains(&(r.group.as_str(), r.kind.as_str()));
            let answer = if answers_object {
                object
            } else {
                self.common_type("meta/v1.Status")
            };
            let answers = vec![(200, Content::Type(answer)), (202, Content::Type(answer))];
            let id = format!("delete{}{}{}", c.version, c.scope, r.kind);
            let mut delete = operation(
                c,
                Method::Delete,
                "delete",
                id,
                &self.options.delete,
                answers,
                OBJECT,
            );
            delete.body = Some((self.common_type("meta/v1.DeleteOptions"), false));
            operations.push(delete);
        }
        let (path, of_path) = self.place(c, &c.base, true);
        self.push(path, of_path, operations);
    }

    fn subresource(&mut self, c: &Common<'_>, sub: &Subresource) {
        let (path, of_path) = self.place(c, &c.base, true);
        let path = format!("{path}/{}", sub.name);
        if sub.kind.kind.ends_with("Options") {
            return self.connect(c, sub, path, of_path);
        }
        if sub.name == "log" {
            let operations = vec![self.log(c, sub)];
            return self.push(path, of_path, operations);
        }
        let mut operations = self.reads_and_writes(
            c,
            sub.verbs,
            &sub.name,
            &sub.kind,
            Named::Message(sub.type_id),
        );
        if sub.verbs.contains(Verb::Create) {
            let object = Named::Message(sub.type_id);
            operations.push(self.create(c, &c.resource.kind, &sub.name, sub.kind.clone(), object));
        }
        self.push(path, of_path, operations);
    }

    fn reads_and_writes(
        &self,
        c: &Common<'_>,
        verbs: api::kinds::Verbs,
        sub: &str,
        kind: &GroupVersionKind,
        object: Named,
    ) -> Vec<Operation> {
        let (read, written) = (
            vec![(200, Content::Type(object))],
            vec![(200, Content::Type(object)), (201, Content::Type(object))],
        );
        let of_kind = |mut operation: Operation| {
            operation.kind = Some(kind.clone());
            operation
        };
        let id = |word: &str| {
            format!(
                "{word}{}{}{}{}",
                c.version,
                c.scope,
                c.resource.kind,
                capitalized(sub)
            )
        };
        let mut operations = Vec::new();
        if verbs.contains(Verb::Get) {
            operations.push(of_kind(operation(
                c,
                Method::Get,
                "get",
                id("read"),
                &[],
                read,
                OBJECT,
            )));
        }
        if verbs.contains(Verb::Update) {
            let options = &self.options.update;
            let mut put = of_kind(operation(
                c,
                Method::Put,
                "put",
                id("replace"),
                options,
                written.clone(),
                OBJECT,
            ));
            put.body = Some((object, true));
            operations.push(put);
        }
        if verbs.contains(Verb::Patch) {
            let options = &self.options.patch;
            let mut patch = of_kind(operation(
                c,
                Method::Patch,
                "patch",
                id("patch"),
                options,
                written,
                OBJECT,
            ));
            patch.body = Some((Named::Leaf(Leaf::Patch), true));
            patch.consumes = PATCHES;
            operations.push(patch);
        }
        operations
    }

    fn create(
        &self,
        c: &Common<'_>,
        of: &str,
        sub: &str,
        kind: GroupVersionKind,
        object: Named,
    ) -> Operation {
        let id = format!("create{}{}{of}{}", c.version, c.scope, capitalized(sub));
        let answers = [200, 201, 202]
            .map(|code| (code, Content::Type(object)))
            .to_vec();
        let mut post = operation(
            c,
            Method::Post,
            "post",
            id,
            &self.options.create,
            answers,
            OBJECT,
        );
        post.kind = Some(kind);
        post.body = Some((object, true));
        post
    }

    fn log(&self, c: &Common<'_>, sub: &Subresource) -> Operation {
        let id = format!(
            "read{}{}{}{}",
            c.version,
            c.scope,
            c.resource.kind,
            capitalized(&sub.name)
        );
        let options = of_options(self.schema, "core/v1.PodLogOptions");
        let mut log = operation(
            c,
            Method::Get,
            "get",
            id,
            &options,
            vec![(200, Content::Text)],
            LOG,
        );
        log.kind = Some(sub.kind.clone());
        log
    }

    /// Streams and proxies: every method that the subresource has, and below a proxy every path.
    fn connect(
        &mut self,
        c: &Common<'_>,
        sub: &Subresource,
        path: String,
        of_path: Vec<Parameter>,
    ) {
        let ty = &self.schema.ty(sub.type_id).name;
        let options = of_options(self.schema, ty);
        let proxied = sub.verbs.contains(Verb::Delete);
        let method_is_served = |method: &Method| match method {
            Method::Get => sub.verbs.contains(Verb::Get),
            Method::Post => sub.verbs.contains(Verb::Create),
            _ => proxied,
        };
        let operations = |suffix: &str| -> Vec<Operation> {
            let make = |method: Method| {
                let word = capitalized(method.as_str());
                let id = format!(
                    "connect{}{word}{}{}{}{suffix}",
                    c.version,
                    c.scope,
                    c.resource.kind,
                    capitalized(&sub.name)
                );
                Operation {
                    method,
                    id,
                    tag: c.tag.clone(),
                    action: "connect",
                    kind: Some(sub.kind.clone()),
                    parameters: options.clone(),
                    body: None,
                    responses: vec![(200, Content::Text)],
                    consumes: ANY,
                    produces: ANY,
                }
            };
            Method::ALL
                .into_iter()
                .filter(method_is_served)
                .map(make)
                .collect()
        };
        let (plain, with_path) = (operations(""), operations("WithPath"));
        if proxied {
            let mut below = of_path.clone();
            below.push(in_path("path"));
            self.push(format!("{path}/{{path}}"), below, with_path);
        }
        self.push(path, of_path, plain);
    }

    fn watches(&mut self, c: &Common<'_>) {
        let r = c.resource;
        let base = format!("{}/watch", c.base);
        let event = self.common_type("meta/v1.WatchEvent");
        let make = |action, id| {
            let answer = vec![(200, Content::Type(event))];
            vec![operation(
                c,
                Method::Get,
                action,
                id,
                &self.options.list,
                answer,
                STREAM,
            )]
        };
        let one = make("watch", format!("watch{}{}{}", c.version, c.scope, r.kind));
        let all = make(
            "watchlist",
            format!("watch{}{}{}List", c.version, c.scope, r.kind),
        );
        let everywhere = make(
            "watchlist",
            format!("watch{}{}ListForAllNamespaces", c.version, r.kind),
        );
        if r.namespaced {
            self.push(format!("{base}/{}", r.name), Vec::new(), everywhere);
        }
        let (path, of_path) = self.place(c, &base, false);
        self.push(path, of_path, all);
        let (path, of_path) = self.place(c, &base, true);
        self.push(path, of_path, one);
    }

    /// The path of a collection or of an object below `base`, with its parameters.
    fn place(&self, c: &Common<'_>, base: &str, object: bool) -> (String, Vec<Parameter>) {
        let (mut path, mut parameters) = (base.to_owned(), Vec::new());
        if c.resource.namespaced {
            path.push_str("/namespaces/{namespace}");
            parameters.push(in_path("namespace"));
        }
        path.push('/');
        path.push_str(&c.resource.name);
        if object {
            path.push_str("/{name}");
            parameters.push(in_path("name"));
        }
        (path, parameters)
    }

    fn push(
        &mut self,
        path: String,
        mut parameters: Vec<Parameter>,
        mut operations: Vec<Operation>,
    ) {
        if operations.is_empty() {
            return;
        }
        operations.sort_by_key(|operation| operation.method);
        hoist(
            operations
                .iter_mut()
                .map(|operation| &mut operation.parameters),
            &mut parameters,
        );
        self.items.push(PathItem {
            path,
            parameters,
            operations,
        });
    }

    fn common_type(&self, name: &str) -> Named {
        self.schema
            .type_by_name(name)
            .map_or(Named::Leaf(Leaf::RawExtension), Named::Message)
    }
}

fn own_kind(r: &Resource) -> GroupVersionKind {
    GroupVersionKind {
        group: r.group.clone(),
        version: r.version.clone(),
        kind: r.kind.clone(),
    }
}

/// An operation on objects: all of them can be asked to answer indented.
fn operation(
    c: &Common<'_>,
    method: Method,
    action: &'static str,
    id: String,
    options: &[Parameter],
    responses: Vec<(u16, Content)>,
    produces: &'static [&'static str],
) -> Operation {
    let mut parameters = options.to_vec();
    parameters.push(query("pretty", "string"));
    parameters.sort();
    Operation {
        method,
        id,
        tag: c.tag.clone(),
        action,
        kind: Some(own_kind(c.resource)),
        parameters,
        body: None,
        responses,
        consumes: ANY,
        produces,
    }
}
