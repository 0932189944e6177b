//! Somebody who does what a page says.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use tests::{
    World,
    parts::{host_path, program},
    world::Ec2Host,
};

use super::page::{Block, Kind, Page};

/// A reader with a coordinator, an AWS, and one worker that may do everything.
pub(super) struct Reader {
    page: Page,
    world: World,
    _host: Ec2Host,
    /// Of the project that was copied last.
    folder: PathBuf,
    /// What commands have printed since then.
    said: String,
}

impl Reader {
    pub(super) fn of(page: &'static str) -> Result<Self> {
        let (page, world) = (Page::read(page)?, World::start()?);
        let host = world.ec2_host("one", "default")?;
        world.cli().ok(&["environment", "create", "staging"])?;
        let folder = world.folder().to_owned();
        Ok(Self { page, world, _host: host, folder, said: String::new() })
    }

    /// Does everything, in order; `projects`: how many there are at least. Each is deployed.
    pub(super) fn do_all(mut self, projects: usize) -> Result<()> {
        let blocks = self.page.blocks.clone();
        let names: Vec<&str> =
            blocks.iter().filter(|block| block.kind() == Kind::Project).map(Block::project).collect::<Result<_>>()?;
        ensure!(names.len() >= projects, "{} has only the projects {names:?}", self.page.name);
        for block in &blocks {
            self.do_one(block).with_context(|| format!("{}:{}", self.page.name, block.line))?;
        }
        for name in names {
            let commands = blocks.iter().filter(|block| block.kind() == Kind::Commands);
            let is_deployed = commands
                .flat_map(|block| block.text.split("longshore deploy "))
                .skip(1)
                .any(|rest| rest.split_whitespace().next() == Some(name));
            ensure!(is_deployed, "{}: the project {name} is not deployed", self.page.name);
        }
        Ok(())
    }

    fn do_one(&mut self, block: &Block) -> Result<()> {
        match block.kind() {
            Kind::Project => self.copy(block),
            Kind::Commands => block.text.lines().try_for_each(|line| self.run(line)),
            Kind::Excerpt => self.compare(&block.text),
            Kind::File | Kind::Fragment => Ok(()),
        }
    }

    fn copy(&mut self, block: &Block) -> Result<()> {
        self.folder = self.world.project(block.project()?, &block.text)?;
        self.page.write_files(&self.folder)
    }

    fn run(&mut self, line: &str) -> Result<()> {
        let (command, comment) = line.split_once("  #").unwrap_or((line, ""));
        let expected: i32 = comment.trim().strip_prefix("exit code ").map_or(Ok(0), str::parse)?;
        let command = if command.contains('…') { self.printed(command)? } else { command.to_owned() };
        let Output { status, stdout, stderr } = Command::new("bash")
            .args(["-c", &command])
            .env_clear()
            .env("PATH", self.path()?)
            .env("HOME", self.world.folder().join("admin"))
            .current_dir(&self.folder)
            .output()
            .context("bash cannot be run")?;
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        ensure!(status.code() == Some(expected), "`{command}` ended with {status} instead of {expected}:\n{said}");
        self.said = said;
        Ok(())
    }

    fn path(&self) -> Result<std::ffi::OsString> {
        let programs = program("longshore")?.parent().context("it is in a folder")?.to_owned();
        let folders = [programs].into_iter().chain(std::env::split_paths(&host_path())).collect::<Vec<_>>();
        Ok(std::env::join_paths(folders)?)
    }

    /// The command of which the page shows only parts, as a log has it.
    fn printed(&self, command: &str) -> Result<String> {
        let begin = command.split('…').next().unwrap_or_default();
        let mut found = self
            .said
            .lines()
            .filter(|line| has_parts(line, command))
            .filter_map(|line| line.find(begin).map(|at| &line[at..]));
        found.next().map(str::to_owned).with_context(|| format!("no log printed `{command}`:\n{}", self.said))
    }

    fn compare(&self, excerpt: &str) -> Result<()> {
        let mut lines = self.said.lines().map(plain);
        for wanted in excerpt.lines().filter(|line| line.trim() != "…") {
            let pattern = plain(wanted);
            ensure!(
                lines.any(|line| has_parts(&line, &pattern)),
                "nothing, or nothing further on, that was printed is `{wanted}`:\n{}",
                self.said
            );
        }
        Ok(())
    }
}

/// Whether a line has the parts of a pattern between `…`, in order.
fn has_parts(line: &str, pattern: &str) -> bool {
    let mut rest = line;
    pattern.split('…').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// With single spaces, and without times of day.
fn plain(line: &str) -> String {
    let is_time = |word: &str| word.len() == 8 && word.split(':').count() == 3;
    line.split_whitespace().map(|word| if is_time(word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}
