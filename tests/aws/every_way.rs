//! The promise about identities, for every combination of what could tempt somebody to break it: a step is who it was declared to
//! be, or it does not begin.

use std::{fmt::Write, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use tests::{AccessKey, Instance, World, trust, worker_host::invite_and_join, world::EVERYTHING};

use crate::deployed::{Deployed, step};

/// One of the 48.
#[derive(Clone, Copy)]
struct Way {
    identity: &'static str,
    resolves: bool,
    has_role: bool,
    is_dirty: bool,
    assumes: bool,
}

/// What must come of it.
#[derive(PartialEq, Eq, Debug)]
enum End {
    /// A role of the worker's own instance, by name.
    OwnRole(String),
    /// The role on top.
    OnTop,
    /// The user whose key the account has.
    Shop,
    /// A step without credentials.
    Nobody,
    /// It did not begin, and this is why.
    Refused(&'static str),
}

/// The table of identities, written without a look at the product's code.
fn expected(way: Way) -> End {
    match (way.identity, way.assumes) {
        ("none", true) => End::Refused("INVALID_PROJECT"),
        ("none", false) => End::Nobody,
        ("account", _) if !way.resolves => End::Refused("ACCOUNT_UNRESOLVED"),
        ("account", false) => End::Shop,
        ("account", true) => End::OnTop,
        ("worker-role", _) if !way.has_role => End::Refused("NO_INSTANCE_ROLE"),
        ("worker-role", false) => End::OwnRole(way.host()),
        _ => End::OnTop,
    }
}

#[test]
fn a_step_is_who_it_was_declared_to_be_or_does_not_begin() -> Result<()> {
    let world = World::start()?;
    world.account("shop", &world.deployer("shop")?)?;
    let somebody = world.deployer("somebody")?;
    let trusted = [trust::user("shop"), trust::role("role-clean"), trust::role("role-dirty")];
    let trusted = trusted.each_ref().map(String::as_str);
    world.aws().create_role("on-top", &trust::callers(&trusted, None), EVERYTHING)?;
    let _hosts = hosts(&world, &somebody)?;
    fs::create_dir(world.folder().join("marks"))?;

    let ends = [begun_together(&world, true)?, begun_together(&world, false)?, refused_at_the_door(&world)?];
    let seen: Vec<_> = ends.into_iter().flatten().collect();
    ensure!(seen.len() == 48 && ways().all(|way| seen.iter().filter(|(it, _)| it.name() == way.name()).count() == 1));
    let mut table = String::new();
    let mut wrong = 0;
    for (way, end) in &seen {
        let expected = expected(*way);
        let mark = if *end == expected { "" } else { "  <-- WRONG" };
        wrong += usize::from(*end != expected);
        let _ = writeln!(table, "{:45} {expected:?}: {end:?}{mark}", way.name());
    }
    assert_eq!(wrong, 0, "\n{table}");
    Ok(())
}

fn ways() -> impl Iterator<Item = Way> {
    let both = [true, false];
    ["none", "account", "worker-role"].into_iter().flat_map(move |identity| {
        (0..16).map(move |bits: usize| Way {
            identity,
            resolves: both[bits & 1],
            has_role: both[bits >> 1 & 1],
            is_dirty: both[bits >> 2 & 1],
            assumes: both[bits >> 3 & 1],
        })
    })
}

impl Way {
    fn name(self) -> String {
        let resolves = if self.resolves { "resolves" } else { "resolves-not" };
        let assumes = if self.assumes { "on-top" } else { "as-it-is" };
        format!("{} {resolves} {} {assumes}", self.identity, self.host())
    }

    fn host(self) -> String {
        host_name(self.has_role, self.is_dirty)
    }

    /// Whether a coordinator takes it at all.
    fn is_taken(self) -> bool {
        !matches!(expected(self), End::Refused("INVALID_PROJECT" | "ACCOUNT_UNRESOLVED"))
    }

    /// Its step, which leaves a mark with who it was as the very first thing it does.
    fn step(self, world: &World) -> String {
        let account = if self.identity == "account" { ", account: AWS Account" } else { "" };
        let on_top = format!(", assume_role: {{ arn: \"{}\" }}", trust::role("on-top"));
        let on_top = if self.assumes { on_top.as_str() } else { "" };
        let rest = [
            "start: with-previous".to_owned(),
            format!("requires: {{ host: {} }}", self.host()),
            format!("aws: {{ identity: {}, region: eu-west-1{account}{on_top} }}", self.identity),
        ];
        let mark = self.mark(world);
        let script = format!(
            "import pathlib\nmark = pathlib.Path('{}')\nmark.touch()\nimport botocore.session, botocore.exceptions\n\
             session = botocore.session.Session()\ntry:\n    \
             mark.write_text(session.create_client('sts').get_caller_identity()['Arn'])\n\
             except botocore.exceptions.NoCredentialsError:\n    mark.write_text('nobody')\n",
            mark.display()
        );
        step(&self.name(), &[&rest[0], &rest[1], &rest[2]], "python", &script)
    }

    fn mark(self, world: &World) -> PathBuf {
        world.folder().join("marks").join(self.name())
    }

    /// Who the step says it was, and that the coordinator says the same.
    fn end_of(self, world: &World, deployed: &Deployed<'_>) -> Result<End> {
        let name = self.name();
        let identity = &deployed.attempt(&name)["identity"]["arn"];
        let Ok(who) = fs::read_to_string(self.mark(world)) else {
            ensure!(deployed.step(&name)["state"] == "failed", "{:#}", deployed.step(&name));
            return Ok(End::Refused(known(deployed.code(&name))));
        };
        ensure!(who == identity.as_str().unwrap_or("nobody"), "{name} was {who}: {:#}", deployed.attempt(&name));
        let role = who.split_once(":assumed-role/").and_then(|(_, rest)| rest.split_once('/'));
        Ok(match (who.as_str(), role) {
            ("nobody", _) => End::Nobody,
            (who, None) if who == trust::user("shop") => End::Shop,
            (_, Some(("on-top", _))) => End::OnTop,
            (_, Some((role, _))) => End::OwnRole(role.into()),
            _ => anyhow::bail!("{name} was {who}"),
        })
    }
}

/// Codes that may occur; another one is nobody's expectation.
fn known(code: &str) -> &'static str {
    ["INVALID_PROJECT", "ACCOUNT_UNRESOLVED", "NO_INSTANCE_ROLE"]
        .into_iter()
        .find(|it| *it == code)
        .unwrap_or("another code")
}

/// All that a coordinator takes, at once.
fn begun_together(world: &World, resolves: bool) -> Result<Vec<(Way, End)>> {
    let ways: Vec<_> = ways().filter(|way| way.resolves == resolves && way.is_taken()).collect();
    let steps: Vec<_> = ways.iter().map(|way| way.step(world)).collect();
    let project = if resolves { "resolving" } else { "unresolving" };
    let deployed = Deployed::to_its_end(world, project, &variable(resolves), &steps)?;
    ways.into_iter().map(|way| Ok((way, way.end_of(world, &deployed)?))).collect()
}

/// What is refused when it is applied or deployed, each by itself.
fn refused_at_the_door(world: &World) -> Result<Vec<(Way, End)>> {
    let mut ends = Vec::new();
    for way in ways().filter(|way| !way.is_taken()) {
        let yaml = format!("project: refused\nvariables:\n{}\nsteps:\n{}", variable(way.resolves), way.step(world));
        let folder = world.project("refused", &yaml)?;
        let applied = world.cli().run(&["project", "apply", "-f", &folder.to_string_lossy()])?;
        let end = if applied.code == 0 {
            let deployed = world.cli().run(&["deploy", "refused", "--environment", "test"])?;
            ensure!(deployed.code == 1, "{}: {deployed}", way.name());
            let is_unresolved = deployed.stderr.contains("needs account variable \"AWS Account\", which has no value");
            End::Refused(if is_unresolved { "ACCOUNT_UNRESOLVED" } else { "another code" })
        } else {
            let is_nobody = applied.code == 2 && applied.stderr.contains("without credentials");
            End::Refused(if is_nobody { "INVALID_PROJECT" } else { "another code" })
        };
        ensure!(!way.mark(world).exists(), "{} has begun", way.name());
        ends.push((way, end));
    }
    Ok(ends)
}

/// The account variable; where it does not resolve, it has a value elsewhere.
fn variable(resolves: bool) -> String {
    let place = if resolves { "test" } else { "production" };
    format!("  - {{ name: AWS Account, type: aws-account, value: shop, environments: [{place}] }}")
}

fn host_name(has_role: bool, is_dirty: bool) -> String {
    format!("{}-{}", if has_role { "role" } else { "no-role" }, if is_dirty { "dirty" } else { "clean" })
}

/// One host of each kind, all in one pool. What is left lying around on the dirty ones is somebody's, and AWS takes it.
fn hosts(world: &World, somebody: &AccessKey) -> Result<Vec<tests::world::Ec2Host>> {
    for environment in ["test", "production"] {
        world.cli().ok(&["environment", "create", environment])?;
    }
    let mut hosts = Vec::new();
    for (has_role, is_dirty) in [(true, true), (true, false), (false, true), (false, false)] {
        let name = host_name(has_role, is_dirty);
        let instance = if has_role {
            world.aws().create_instance_role(&name, EVERYTHING)?;
            Instance::with_role(&name)
        } else {
            Instance::without_role()
        };
        let mut ec2 = world.unstarted_host(&name, instance)?;
        ec2.host.settings_mut().flags = vec!["--slots".into(), "8".into()];
        if is_dirty {
            ec2.host.settings_mut().env = left_behind(world, somebody)?;
        }
        invite_and_join(world.cli(), &ec2.host, "default", &[&format!("host={name}")])?;
        ec2.host.start()?;
        hosts.push(ec2);
    }
    for ec2 in &mut hosts {
        ec2.host.connected(world.cli())?;
    }
    Ok(hosts)
}

/// A key in the environment, and one in the files of the agent's home.
fn left_behind(world: &World, somebody: &AccessKey) -> Result<Vec<(String, String)>> {
    let home = world.folder().join("left-behind");
    fs::create_dir_all(home.join(".aws"))?;
    let file = home.join(".aws/credentials");
    let text = format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", somebody.id, somebody.secret);
    fs::write(&file, text)?;
    let file = file.to_str().context("a path")?;
    let variables = [
        ("HOME", home.to_str().context("a path")?),
        ("AWS_ACCESS_KEY_ID", &somebody.id),
        ("AWS_SECRET_ACCESS_KEY", &somebody.secret),
        ("AWS_SHARED_CREDENTIALS_FILE", file),
        ("AWS_CONFIG_FILE", file),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ROLE_ARN", &trust::role("on-top")),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file),
    ];
    Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}
