//! A page taken apart.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use tests::parts::project;

/// A page with its blocks of code.
pub(super) struct Page {
    pub(super) name: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// A block of code.
#[derive(Clone)]
pub(super) struct Block {
    /// Of its fence, counted from 1.
    pub(super) line: usize,
    /// The file that it is, when the line before it names one.
    pub(super) title: Option<String>,
    language: String,
    pub(super) text: String,
}

/// What a block is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Project,
    File,
    Commands,
    Excerpt,
    Fragment,
}

impl Block {
    pub(super) fn kind(&self) -> Kind {
        match self.language.as_str() {
            _ if self.title.is_some() => Kind::File,
            "yaml" if self.text.starts_with("project:") => Kind::Project,
            "yaml" => Kind::Fragment,
            "sh" => Kind::Commands,
            _ => Kind::Excerpt,
        }
    }

    /// Of a project.
    pub(super) fn project(&self) -> Result<&str> {
        let first = self.text.lines().next().and_then(|line| line.strip_prefix("project:"));
        first.map(str::trim).with_context(|| format!("the block in line {} is no project", self.line))
    }
}

impl Page {
    pub(super) fn read(name: &'static str) -> Result<Self> {
        let text = fs::read_to_string(project().join(name)).with_context(|| format!("{name} cannot be read"))?;
        let mut blocks = Vec::new();
        let (mut before, mut lines) = ("", text.lines().enumerate());
        while let Some((at, line)) = lines.next() {
            if let Some(language) = line.strip_prefix("```") {
                let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                let text: String = inside.map(|line| format!("{line}\n")).collect();
                blocks.push(Block { line: at + 1, title: title(before), language: language.into(), text });
                before = "";
            } else if !line.trim().is_empty() {
                before = line;
            }
        }
        ensure!(blocks.len() > 5, "{name} has only {} blocks", blocks.len());
        Ok(Self { name, blocks })
    }

    /// Writes every file that the page has into a folder.
    pub(super) fn write_files(&self, folder: &Path) -> Result<()> {
        for block in &self.blocks {
            let Some(title) = &block.title else { continue };
            let path = folder.join(title);
            fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
            fs::write(path, &block.text)?;
        }
        Ok(())
    }

    /// A fragment as part of whole projects: one for each of its alternatives, which begin with a comment `# or`.
    pub(super) fn framed(&self, block: &Block) -> Result<Vec<String>> {
        let mut alternatives = vec![String::new()];
        for line in block.text.lines() {
            if line.starts_with("# or") {
                alternatives.push(String::new());
            }
            let last = alternatives.last_mut().context("there is one")?;
            last.push_str(&format!("{line}\n"));
        }
        Ok(alternatives.iter().map(|fragment| self.frame(fragment)).collect())
    }

    fn frame(&self, fragment: &str) -> String {
        let first = fragment.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
        if first.starts_with("- name:") {
            return format!("project: frame\nsteps:\n{}", indented(fragment, 2));
        }
        let step = "project: frame\nsteps:\n  - name: Frame\n    aws: { identity: worker-role, region: eu-west-1 }\n";
        if ["cloudformation:", "s3_upload:"].iter().any(|key| first.starts_with(key)) {
            return format!("{step}{}", indented(fragment, 4));
        }
        let (action, defaults): (&str, &[(&str, &str)]) = if self.name.contains("s3") {
            ("    s3_upload:\n", &[("bucket", "shop-site"), ("source", "dist/**")])
        } else {
            (
                "    cloudformation:\n      deploy:\n",
                &[("stack", "shop-network"), ("template", "templates/network.yaml")],
            )
        };
        let has = |key: &str| fragment.lines().any(|line| line.starts_with(&format!("{key}:")));
        let missing = defaults.iter().filter(|(key, _)| !has(key));
        let missing: String = missing.map(|(key, value)| format!("{key}: {value}\n")).collect();
        format!("{step}{action}{}", indented(&format!("{missing}{fragment}"), 8))
    }
}

/// `templates/network.yaml` of a line that is nothing but that in backquotes, and a colon.
fn title(line: &str) -> Option<String> {
    let path = line.trim().strip_prefix('`')?.strip_suffix("`:")?;
    (!path.contains('`') && !path.contains(' ')).then(|| path.to_owned())
}

fn indented(text: &str, spaces: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(spaces))).collect()
}
