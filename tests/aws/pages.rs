//! The pages on stacks and uploads, done as a reader does what they show: files are copied, commands run, and what the page shows of
//! the log is looked for in what is printed. What is no whole project is put into one and validated.
//!
//! A `yaml` block that begins with `project:` is a project. A line of nothing but a path and a colon names the file that the block
//! after it is. A `sh` block is run line by line in the folder of the project before it, each line with the exit code that its comment
//! says, 0 without one; a line with `…` is the one that a log printed. A `text` block is part of what the commands before it print,
//! in order, where `…` stands for anything, and a time of day for any other.

mod page;
mod reader;
mod rights;

use std::fs;

use anyhow::{Context, Result, ensure};
use tests::Cli;

use self::{
    page::{Kind, Page},
    reader::Reader,
};

#[test]
fn what_the_page_on_stacks_shows_happens() -> Result<()> {
    Reader::of("docs/cloudformation.md")?.do_all(5)
}

#[test]
fn what_the_page_on_uploads_shows_happens() -> Result<()> {
    Reader::of("docs/s3.md")?.do_all(2)
}

#[test]
fn every_fragment_of_the_pages_has_a_place_in_a_project() -> Result<()> {
    for (name, least) in [("docs/cloudformation.md", 4), ("docs/s3.md", 4)] {
        let page = Page::read(name)?;
        let folder = tempfile::tempdir()?;
        page.write_files(folder.path())?;
        let cli = Cli::new(&folder.path().join("home"))?;
        let fragments: Vec<_> = page.blocks.iter().filter(|block| block.kind() == Kind::Fragment).collect();
        ensure!(
            fragments.len() >= least,
            "{name} has only {} fragments: the check looks in the wrong place",
            fragments.len()
        );
        for block in fragments {
            for project in page.framed(block)? {
                fs::write(folder.path().join("longshore.yaml"), &project)?;
                let validate = ["project", "validate", "-f", &folder.path().to_string_lossy()];
                cli.ok(&validate).with_context(|| format!("{name}:{}, as\n{project}", block.line))?;
            }
        }
    }
    Ok(())
}
