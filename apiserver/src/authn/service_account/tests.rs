use super::*;
use crate::env::testing::at;

#[derive(Default)]
struct Objects(Mutex<HashMap<&'static str, ObjectState>>);

impl Objects {
    fn set(&self, key: &'static str, uid: &str, deletion: Option<&str>) {
        let deletion = deletion.map(|d| d.parse().unwrap());
        self.0.lock().insert(
            key,
            ObjectState {
                uid: uid.into(),
                deletion,
            },
        );
    }
    fn get(&self, key: String) -> Option<ObjectState> {
        self.0.lock().get(key.as_str()).cloned()
    }
}

impl TokenSubjects for Objects {
    fn service_account(&self, namespace: &str, name: &str) -> Option<ObjectState> {
        self.get(format!("sa/{namespace}/{name}"))
    }
    fn pod(&self, namespace: &str, name: &str) -> Option<ObjectState> {
        self.get(format!("pod/{namespace}/{name}"))
    }
    fn secret(&self, namespace: &str, name: &str) -> Option<ObjectState> {
        self.get(format!("secret/{namespace}/{name}"))
    }
    fn node(&self, name: &str) -> Option<ObjectState> {
        self.get(format!("node/{name}"))
    }
}

fn object(name: &str, uid: &str) -> BoundObject {
    BoundObject {
        name: name.into(),
        uid: uid.into(),
    }
}

fn request() -> TokenRequest {
    TokenRequest {
        namespace: "d".into(),
        account: object("robot", "u1"),
        audiences: vec![],
        expiration_seconds: 3600,
        pod: Some(object("p", "u2")),
        node: Some(object("n", "u3")),
        secret: None,
        warn_after_seconds: None,
    }
}

struct Fixture {
    objects: Arc<Objects>,
    clock: Arc<crate::env::testing::SetClock>,
    issuer: TokenIssuer,
    authenticator: TokenAuthenticator,
}

fn fixture() -> Fixture {
    let (env, clock) = at("2030-01-01T00:00:00Z");
    let key = SigningKey::from_pem(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let config = TokenConfig {
        issuers: vec!["https://us".into()],
        audiences: vec!["api".into()],
    };
    let objects = Arc::new(Objects::default());
    objects.set("sa/d/robot", "u1", None);
    objects.set("pod/d/p", "u2", None);
    Fixture {
        issuer: TokenIssuer::new(key.clone(), config.clone(), env.clone()),
        authenticator: TokenAuthenticator::new(
            vec![key.public().clone()],
            config,
            objects.clone(),
            env,
        ),
        objects,
        clock,
    }
}

#[test]
fn a_token_tells_the_account_its_pod_and_its_node() {
    let f = fixture();
    let (token, expires) = f.issuer.issue(&request()).unwrap();
    assert_eq!(expires.to_string(), "2030-01-01T01:00:00Z");
    for _ in 0..2 {
        let found = f.authenticator.authenticate(&token, &[]).unwrap();
        let identity = found.identity;
        assert_eq!(
            (identity.name.as_str(), identity.uid.as_str()),
            ("system:serviceaccount:d:robot", "u1")
        );
        assert_eq!(
            identity.groups,
            [
                "system:serviceaccounts",
                "system:serviceaccounts:d",
                "system:authenticated"
            ]
        );
        let extra =
            |key: &str| identity.extra[&format!("authentication.kubernetes.io/{key}")][0].as_str();
        assert_eq!((extra("pod-name"), extra("pod-uid")), ("p", "u2"));
        assert_eq!((extra("node-name"), extra("node-uid")), ("n", "u3"));
        assert!(extra("credential-id").starts_with("JTI="));
        assert_eq!(found.audiences, ["api"]);
    }
}

#[test]
fn a_token_is_refused_out_of_its_time() {
    let f = fixture();
    let (token, _) = f.issuer.issue(&request()).unwrap();
    for (now, want) in [
        ("2029-12-31T23:58:00Z", Err(TokenError::NotYet)),
        ("2029-12-31T23:59:30Z", Ok(())),
        ("2030-01-01T01:00:30Z", Ok(())),
        ("2030-01-01T01:02:00Z", Err(TokenError::Expired)),
    ] {
        *f.clock.0.lock() = now.parse().unwrap();
        assert_eq!(
            f.authenticator.authenticate(&token, &[]).map(|_| ()),
            want,
            "{now}"
        );
    }
}

#[test]
fn a_token_ends_with_what_it_is_bound_to() {
    let f = fixture();
    let (token, _) = f.issuer.issue(&request()).unwrap();
    let outcome = || f.authenticator.authenticate(&token, &[]).map(|_| ());
    assert_eq!(outcome(), Ok(()));
    f.objects.set("pod/d/p", "u2", Some("2030-01-01T00:00:00Z"));
    assert_eq!(outcome(), Ok(()), "a pod that ends still needs its token");
    f.objects.set("pod/d/p", "another", None);
    assert_eq!(outcome(), Err(TokenError::Invalidated("its pod is gone")));
    f.objects.set("pod/d/p", "u2", Some("2029-12-31T23:00:00Z"));
    assert_eq!(outcome(), Err(TokenError::Invalidated("its pod is gone")));
    f.objects.set("pod/d/p", "u2", None);
    f.objects.0.lock().remove("sa/d/robot");
    assert_eq!(
        outcome(),
        Err(TokenError::Invalidated("its service account is gone"))
    );
}

#[test]
fn a_token_is_for_its_audience_only() {
    let f = fixture();
    let (token, _) = f
        .issuer
        .issue(&TokenRequest {
            audiences: vec!["vault".into()],
            ..request()
        })
        .unwrap();
    assert!(matches!(
        f.authenticator.authenticate(&token, &[]),
        Err(TokenError::Audience(..))
    ));
    let found = f
        .authenticator
        .authenticate(&token, &["vault".into(), "other".into()])
        .unwrap();
    assert_eq!(found.audiences, ["vault"]);
}

#[test]
fn the_cache_is_bounded_and_keeps_what_is_used() {
    let claims: Claims = serde_json::from_str(
        r#"{"aud":"x","kubernetes.io":{"namespace":"d","serviceaccount":{"name":"a","uid":"b"}}}"#,
    )
    .unwrap();
    let verified = Verified {
        claims: Arc::new(claims),
        identity: Arc::new(Identity::anonymous()),
    };
    let mut cache = Cache::default();
    let key = |i: usize| <[u8; 32]>::from(Sha256::digest(i.to_le_bytes()));
    for i in 0..5 * CACHE {
        cache.insert(key(i), verified.clone());
        assert!(cache.get(&key(0)).is_some());
        assert!(cache.young.len() + cache.old.len() <= 2 * CACHE);
    }
}
