//! Projects, their variables and their files.

use proto::deployment::{
    ApplyProjectRequest, ApplyProjectResponse, CreateAccountRequest, DeleteAccountRequest, DeleteVariableRequest,
    FindMissingFilesRequest, GetProjectRequest, ListVariablesRequest, Project, ProjectFile, Script, SetVariableRequest,
    Step, UploadFileRequest, Variable, script, step, upload_file_request::Part,
};
use tonic::{Code, Status};

use crate::world::{World, files_with, reason};

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn step_with(source: script::Source) -> Step {
    let script = Script { shell: script::Shell::Bash as i32, source: Some(source), strict: None };
    Step { name: "One".into(), action: Some(step::Action::Script(script)), ..Step::default() }
}

fn shop(body: &str, variables: Vec<Variable>) -> Project {
    let steps = vec![step_with(script::Source::Body(body.into()))];
    Project { name: "shop".into(), steps, variables, ..Project::default() }
}

fn variable(name: &str, kind: i32, value: Option<&str>, environments: &[&str]) -> Variable {
    Variable {
        name: name.into(),
        r#type: kind,
        value: value.map(Into::into),
        environments: environments.iter().map(|&name| name.into()).collect(),
        ..Variable::default()
    }
}

const TEXT: i32 = 1;
const SENSITIVE: i32 = 2;
const ACCOUNT: i32 = 3;

async fn apply(world: &World, project: Project) -> Result<ApplyProjectResponse, Status> {
    let request = ApplyProjectRequest { project: Some(project), validate_only: false };
    world.projects().apply_project(request).await.map(tonic::Response::into_inner)
}

async fn set(world: &World, variable: Variable) -> Result<Variable, Status> {
    let request = SetVariableRequest { project: "shop".into(), variable: Some(variable) };
    world.projects().set_variable(request).await.map(tonic::Response::into_inner)
}

async fn variables(world: &World) -> Vec<Variable> {
    world
        .projects()
        .list_variables(ListVariablesRequest { project: "shop".into() })
        .await
        .unwrap()
        .into_inner()
        .variables
}

#[tokio::test(flavor = "multi_thread")]
async fn the_revision_grows_with_each_change_of_the_process_and_with_nothing_else() {
    let world = World::start().await;
    let revision = |response: &ApplyProjectResponse| response.project.as_ref().map(|project| project.revision);
    let first = apply(&world, shop("echo 1", vec![])).await.unwrap();
    assert_eq!((revision(&first), first.changed), (Some(1), true));
    let same = apply(&world, shop("echo 1", vec![])).await.unwrap();
    assert_eq!((revision(&same), same.changed), (Some(1), false));
    let described = apply(&world, Project { description: "Sells".into(), ..shop("echo 1", vec![]) }).await.unwrap();
    assert_eq!((revision(&described), described.changed), (Some(1), true));
    let other = apply(&world, Project { description: "Sells".into(), ..shop("echo 2", vec![]) }).await.unwrap();
    assert_eq!((revision(&other), other.changed), (Some(2), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_value_set_earlier_stays_when_the_file_is_applied_again_and_is_shown_nowhere() {
    let world = World::start().await;
    let declared =
        || vec![variable("Db.Password", SENSITIVE, None, &[]), variable("Region", TEXT, Some("eu-west-1"), &[])];
    apply(&world, shop("echo 1", declared())).await.unwrap();
    let shown = set(&world, variable("db.password", SENSITIVE, Some("canary-password"), &[])).await.unwrap();
    assert!(shown.is_set && shown.value.is_none(), "{:?} {:?}", shown.is_set, shown.value);
    let again = apply(&world, shop("echo 2", declared())).await.unwrap();
    let kept = &again.project.unwrap().variables[0];
    assert!(kept.is_set && kept.value.is_none());
    let found = files_with(&world.folder.path().join("data"), b"canary-password");
    assert!(found.is_empty(), "the value is readable in {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_no_longer_declares_goes_and_what_a_person_set_stays() {
    let world = World::start().await;
    apply(&world, shop("echo", vec![variable("A", TEXT, Some("1"), &[]), variable("B", TEXT, Some("2"), &[])]))
        .await
        .unwrap();
    set(&world, variable("C", TEXT, Some("3"), &["staging"])).await.unwrap();
    apply(&world, shop("echo", vec![variable("B", TEXT, Some("4"), &[])])).await.unwrap();
    let left: Vec<_> = variables(&world).await.into_iter().map(|row| (row.name, row.value, row.from_file)).collect();
    assert_eq!(left, [("B".into(), Some("4".into()), true), ("C".into(), Some("3".into()), false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_values_for_one_environment_are_refused_and_both_are_named() {
    let world = World::start().await;
    let both = vec![
        variable("Size", TEXT, Some("1"), &["staging", "test"]),
        variable("size", TEXT, Some("2"), &["production", "test"]),
    ];
    let refused = apply(&world, shop("echo", both)).await.expect_err("an overlap");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_PROJECT"));
    for part in ["of the same rank", "environment staging, test", "environment production, test"] {
        assert!(refused.message().contains(part), "{part}: {}", refused.message());
    }
    let missing = world.projects().get_project(GetProjectRequest { name: "shop".into() }).await;
    assert_eq!(missing.expect_err("nothing was stored").code(), Code::NotFound);

    apply(
        &world,
        shop("echo", vec![variable("Size", TEXT, Some("0"), &[]), variable("Size", TEXT, Some("1"), &["test"])]),
    )
    .await
    .expect("one of them is for the rest");
    let refused = set(&world, variable("Size", TEXT, Some("2"), &["test", "staging"])).await.expect_err("an overlap");
    assert!(refused.message().contains("environment test"), "{}", refused.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_variable_names_an_account_that_exists_and_holds_on_to_it() {
    let world = World::start().await;
    let named = || vec![variable("AWS Account", ACCOUNT, Some("shop-staging"), &["staging"])];
    let refused = apply(&world, shop("echo", named())).await.expect_err("no such account");
    for part in ["\"AWS Account\" names the account \"shop-staging\"", "`longshore account create`"] {
        assert!(refused.message().contains(part), "{}", refused.message());
    }
    let account = CreateAccountRequest {
        name: "shop-staging".into(),
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: "secret0secret".into(),
        ..CreateAccountRequest::default()
    };
    world.accounts().create_account(account).await.unwrap();
    apply(&world, shop("echo", named())).await.expect("it exists now");
    let held = world
        .accounts()
        .delete_account(DeleteAccountRequest { name: "shop-staging".into() })
        .await
        .expect_err("in use");
    assert_eq!((held.code(), reason(&held).as_str()), (Code::FailedPrecondition, "IN_USE"));
    assert!(held.message().contains("shop") && held.message().contains("AWS Account"), "{}", held.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn validating_says_what_applying_would_and_changes_nothing() {
    let world = World::start().await;
    let request = ApplyProjectRequest { project: Some(shop("echo", vec![])), validate_only: true };
    let answer = world.projects().apply_project(request).await.unwrap().into_inner();
    assert!(answer.changed);
    let missing = world.projects().get_project(GetProjectRequest { name: "shop".into() }).await;
    assert_eq!(missing.expect_err("nothing was stored").code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projects_files_come_first_and_are_stored_once() {
    let world = World::start().await;
    let file = ProjectFile { path: "hello.sh".into(), sha256: HELLO.into(), size: 5, executable: false };
    let project = || Project {
        files: vec![file.clone()],
        steps: vec![step_with(script::Source::File("hello.sh".into()))],
        ..shop("", vec![])
    };
    let missing = apply(&world, project()).await.expect_err("not uploaded");
    assert_eq!(reason(&missing), "FILE_MISSING");
    assert!(missing.message().contains("hello.sh"), "{}", missing.message());

    let upload = |parts: Vec<Part>| {
        let mut client = world.projects();
        let parts = parts.into_iter().map(|part| UploadFileRequest { part: Some(part) }).collect::<Vec<_>>();
        async move { client.upload_file(tokio_stream::iter(parts)).await.map(|answer| answer.into_inner().size) }
    };
    let damaged =
        upload(vec![Part::Sha256(HELLO.into()), Part::Chunk(b"help".to_vec())]).await.expect_err("other bytes");
    assert_eq!(damaged.code(), Code::InvalidArgument);
    let headless = upload(vec![Part::Chunk(b"hello".to_vec())]).await.expect_err("no digest");
    assert_eq!(headless.code(), Code::InvalidArgument);
    let find = || FindMissingFilesRequest { sha256: vec![HELLO.into()] };
    assert_eq!(world.projects().find_missing_files(find()).await.unwrap().into_inner().sha256, [HELLO]);
    assert_eq!(
        upload(vec![Part::Sha256(HELLO.into()), Part::Chunk(b"hel".to_vec()), Part::Chunk(b"lo".to_vec())])
            .await
            .unwrap(),
        5
    );
    assert!(world.projects().find_missing_files(find()).await.unwrap().into_inner().sha256.is_empty());
    apply(&world, project()).await.expect("now it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_removed_for_its_scope_only() {
    let world = World::start().await;
    apply(&world, shop("echo", vec![])).await.unwrap();
    set(&world, variable("Size", TEXT, Some("0"), &[])).await.unwrap();
    set(&world, variable("Size", TEXT, Some("1"), &["staging"])).await.unwrap();
    let gone = |environments: &[&str]| DeleteVariableRequest {
        project: "shop".into(),
        name: "size".into(),
        environments: environments.iter().map(|&name| name.into()).collect(),
        ..DeleteVariableRequest::default()
    };
    world.projects().delete_variable(gone(&["staging"])).await.expect("removed");
    let again = world.projects().delete_variable(gone(&["staging"])).await.expect_err("gone");
    assert_eq!((again.code(), reason(&again).as_str()), (Code::NotFound, "VARIABLE_NOT_FOUND"));
    assert_eq!(variables(&world).await.len(), 1);
}
