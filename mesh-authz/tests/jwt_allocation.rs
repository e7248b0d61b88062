//! A request without a token costs no allocation, however many rules look for one.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    reason = "an allocator that counts is unsafe, and tests fail by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use mesh_authz::jwt::{
    Algorithm, JwtAuthentication, JwtContext, JwtOutcome, JwtRule, Key, KeyMaterial, KeySet,
    RequestAuthentication, SignatureVerifier,
};
use mesh_authz::{HttpAttributes, PolicyId};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer comes from `System::alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Refuses;

impl SignatureVerifier for Refuses {
    fn verify(&self, _: Algorithm, _: &KeyMaterial, _: &[u8], _: &[u8]) -> bool {
        false
    }
}

#[test]
fn without_token_nothing_is_allocated() {
    let keys = KeySet::new([Key::new(KeyMaterial::Hmac(Box::from(&b"secret"[..])))]);
    let rule = |issuer: &str| JwtRule::new(issuer).keys(keys.clone()).output_claim_to_header("x-user", "sub");
    let policy = RequestAuthentication::new(PolicyId::new("a", "b"))
        .rule(rule("a"))
        .rule(rule("b").from_header("x-token", "").from_param("t").from_cookie("t"));
    let authentication = JwtAuthentication::builder().policy(policy).build().unwrap();
    let lines = [("host", "a"), ("cookie", "a=1; b=2"), ("x-user", "forged")];
    let http = HttpAttributes::new("GET", "/p?a=%20&b=2").headers(&lines);
    let context = JwtContext::new(Duration::from_secs(1), &Refuses);

    let before = COUNT.get();
    let outcome = authentication.authenticate(&http, &context);
    let headers = outcome.headers(&http);
    let edited = outcome.attributes(http, &headers);
    let count = COUNT.get() - before;
    assert!(matches!(outcome, JwtOutcome::NoToken(_)));
    assert_eq!(count, 0);
    drop(format!("{edited:?}"));
    assert!(COUNT.get() > before, "the allocator counts");
}
