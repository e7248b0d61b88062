//! `mesh-proxy validate`: exit codes 0, 1 and 2 (`PROXY-SNAP-08`).

use crate::support::{Finished, World};

fn validate(world: &World, strict: bool) -> Finished {
    let path = world.config().display().to_string();
    let arguments = if strict { vec!["validate", "--strict", &path] } else { vec!["validate", &path] };
    Finished::run(&arguments)
}

fn world() -> World {
    World::new().routes("  - directResponse: {status: 200}")
}

/// PROXY-SNAP-08
#[test]
fn clean_files_are_0() {
    for strict in [false, true] {
        let ended = validate(&world(), strict);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(ended.stdout.contains("2 objects from 2 files: 0 errors, 0 warnings"), "{ended:#?}");
    }
}

/// PROXY-SNAP-08, PROXY-FEAT-04
#[test]
fn warnings_are_1_when_strict() {
    let world = world().routes("  - route: [{destination: {host: nowhere}}]");
    let ended = validate(&world, false);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains("nowhere"), "{ended:#?}");
    assert!(ended.stdout.contains(": 0 errors, 1 warning\n"), "{ended:#?}");
    assert_eq!(validate(&world, true).code, Some(1));
}

/// PROXY-SNAP-08: the finding names file, line and what is wrong.
#[test]
fn errors_are_2() {
    let world = world();
    world.write("routes.yaml", &crate::support::virtual_service("  - directResponse: {stattus: 200}"));
    for strict in [false, true] {
        let ended = validate(&world, strict);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        let place = format!("{}:8", world.config().join("routes.yaml").display());
        assert!(ended.stdout.contains(&place), "`{place}` is missing in {ended:#?}");
        assert!(ended.stdout.contains("stattus"), "{ended:#?}");
    }
}

/// PROXY-DRAIN-11
#[test]
fn unreadable_paths_are_2() {
    let ended = Finished::run(&["validate", "/no/such/file.yaml"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("/no/such/file.yaml"), "{ended:#?}");
}
