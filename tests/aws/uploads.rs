//! Files into buckets, through the step: from the folder of a project file to objects on the emulator.

mod access;
mod deleting;
mod large;
mod objects;
mod trouble;

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{
    Bucket, Fault, Instance, World, until,
    world::{EVERYTHING, Ec2Host},
};

const BUCKET: &str = "shop-assets";
/// Everything below `dist`, below `web/` of the bucket.
const SITE: &str = "bucket: shop-assets\nsource: dist/**\nkey_prefix: web/";
/// A minute: longer than anything takes that a test waits for.
const SOON: Duration = Duration::from_secs(60);

/// A world with one worker, a bucket that keeps every version of its objects, and a folder of files.
struct Shop {
    world: World,
    host: Ec2Host,
    bucket: Bucket,
}

/// What became of a deployment of one step.
struct Ended {
    deployment: Value,
    log: String,
}

impl Shop {
    fn start() -> Result<Self> {
        Self::of(World::start()?, EVERYTHING)
    }

    /// With a proxy between the worker and AWS.
    fn with_trouble() -> Result<Self> {
        Self::of(World::behind(Fault::start, |_| ())?, EVERYTHING)
    }

    /// Whose worker's role has these rights.
    fn of(world: World, statement: &str) -> Result<Self> {
        world.aws().create_instance_role("one-role", statement)?;
        let mut host = world.unstarted_host("one", Instance::with_role("one-role"))?;
        world.bring_up(&mut host.host, "default")?;
        let bucket = Bucket::create(world.aws(), BUCKET)?.keeping_versions()?;
        Ok(Self { world, host, bucket })
    }

    fn folder(&self) -> PathBuf {
        self.world.folder().join("projects/shop")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let place = self.folder().join(path);
        fs::create_dir_all(place.parent().context("a path in a folder")?)?;
        fs::write(place, content).context("a file cannot be written")
    }

    /// Deploys a project with one step, whose keys below `s3_upload` these are.
    fn run(&self, keys: &str) -> Result<Ended> {
        self.ended(&self.begin(keys)?)
    }

    fn begin(&self, keys: &str) -> Result<String> {
        self.world.apply("shop", &project(keys))?;
        self.world.start_deployment("shop")
    }

    fn ended(&self, id: &str) -> Result<Ended> {
        Ok(Ended { deployment: self.world.ended(id)?, log: self.world.log(id, "Assets")? })
    }

    /// Waits for the step's process; answers its id.
    fn action(&self) -> Result<u32> {
        until("the action to run", SOON, || Ok(self.host.host.steps().first().copied()))
    }
}

impl Ended {
    #[track_caller]
    fn succeeded(&self) {
        self.expect("succeeded", "EXIT_ZERO");
    }

    /// Checks the deployment's state and the last attempt's reason.
    #[track_caller]
    fn expect(&self, state: &str, reason: &str) {
        let attempt = self.step()["attempts"].as_array().and_then(|attempts| attempts.last());
        let told = attempt.and_then(|attempt| attempt["reason"].as_str()).unwrap_or_default();
        assert_eq!((self.deployment["state"].as_str(), told), (Some(state), reason), "{}", self.end_of_log());
    }

    /// Of a log that may have a line for each of thousands of files.
    fn end_of_log(&self) -> &str {
        let start = self.log.rmatch_indices('\n').nth(30).map_or(0, |(start, _)| start);
        &self.log[start..]
    }

    /// Checks that the log has all these words.
    #[track_caller]
    fn expect_words(&self, words: &[&str]) {
        for word in words {
            assert!(self.log.contains(word), "the log has no {word:?}: {}", self.end_of_log());
        }
    }

    fn step(&self) -> &Value {
        self.deployment["steps"].as_array().and_then(|steps| steps.last()).unwrap_or(&Value::Null)
    }

    fn outputs(&self) -> BTreeMap<&str, &str> {
        let outputs = self.step()["outputs"].as_array().into_iter().flatten();
        outputs.filter_map(|output| Some((output["name"].as_str()?, output["value"].as_str()?))).collect()
    }

    /// How many files were uploaded, how many were there unchanged, and how many objects were deleted.
    fn counts(&self) -> [&str; 3] {
        let outputs = self.outputs();
        ["Uploaded", "Unchanged", "Deleted"].map(|name| outputs.get(name).copied().unwrap_or("none"))
    }
}

fn project(keys: &str) -> String {
    format!("project: shop\nsteps:\n{}", step(keys))
}

fn step(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("      {line}\n")).collect();
    format!("  - name: Assets\n    aws: {{ identity: worker-role, region: eu-west-1 }}\n    s3_upload:\n{keys}")
}

/// Every object with one version.
fn once(keys: &[&str]) -> BTreeMap<String, usize> {
    keys.iter().map(|&key| (key.to_owned(), 1)).collect()
}
