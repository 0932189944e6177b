//! What became of all files, and how that is told. Pure.

use std::time::Duration;

use action::Failure;
use shared::reason::Reason;

use crate::{
    outputs::{Counts, Item},
    plan::Planned,
    progress::{Load, rate, size},
    transfer::Done,
};

/// 20 files: more than a person reads.
const NAMED: usize = 20;

/// The files and their fates.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    objects: &'a [Planned],
    versions: Vec<Option<String>>,
    failures: Vec<(usize, Failure)>,
    counts: Counts,
    uploaded_bytes: u64,
    unchanged_bytes: u64,
}

impl<'a> Report<'a> {
    pub(crate) fn new(objects: &'a [Planned]) -> Self {
        Self {
            objects,
            versions: vec![None; objects.len()],
            failures: Vec::new(),
            counts: Counts::default(),
            uploaded_bytes: 0,
            unchanged_bytes: 0,
        }
    }

    /// Takes down what became of a file.
    pub(crate) fn add(&mut self, index: usize, result: Result<Done, Failure>) {
        let length = self.objects[index].length;
        match result {
            Ok(Done::Uploaded(version, _)) => {
                self.versions[index] = version;
                self.counts.uploaded += 1;
                self.uploaded_bytes += length;
            }
            Ok(Done::Unchanged(version)) => {
                self.versions[index] = version;
                self.counts.unchanged += 1;
                self.unchanged_bytes += length;
            }
            Ok(Done::NotBegun) => {}
            Err(failure) => self.failures.push((index, failure)),
        }
    }

    pub(crate) fn set_deleted(&mut self, count: usize) {
        self.counts.deleted = count;
    }

    /// How many files failed so far.
    pub(crate) fn failed(&self) -> usize {
        self.failures.len()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// What is done, when so many bytes were sent, those of parts included.
    pub(crate) fn load(&self, sent: u64) -> Load {
        let files = self.counts.uploaded + self.counts.unchanged + self.failures.len();
        Load { files: files as u64, bytes: sent + self.unchanged_bytes }
    }

    pub(crate) fn items(&self) -> Vec<Item<'_>> {
        let both = self.objects.iter().zip(&self.versions);
        both.map(|(object, version)| Item { key: &object.key, version: version.as_deref() }).collect()
    }

    /// The failure that says what may have been the matter with all of them, to be looked into.
    pub(crate) fn first_failure(&mut self) -> Option<&mut Failure> {
        self.failures.sort_by_key(|(index, _)| *index);
        self.failures.first_mut().map(|(_, failure)| failure)
    }

    /// Why the step fails, if it does.
    pub(crate) fn failure(&self, is_cancelled: bool, place: &str) -> Option<Failure> {
        let done = self.counts.uploaded + self.counts.unchanged;
        let total = self.objects.len();
        if done == total {
            return None;
        }
        if is_cancelled {
            return Some(self.cancelled(total - done, place));
        }
        let reasons = || self.failures.iter().map(|(_, failure)| failure.reason);
        let (_, first) = self.failures.first()?;
        // What is the matter with every file is the matter with the step.
        let is_of_all = done == 0 || is_of_the_step(first.reason);
        let is_one =
            is_of_all && reasons().all(|reason| reason == first.reason) || first.reason == Reason::BucketRefused;
        let reason = if is_one { first.reason } else { Reason::UploadFailed };
        if total == 1 {
            let sentence = format!("{} could not be uploaded. {}", self.objects[0].path, first.sentence);
            return Some(Failure::new(reason, sentence));
        }
        let begun = done + self.failures.len();
        let there = if done == 0 { "None is there".to_owned() } else { format!("{done} of all are there") };
        let rest = if begun < total { format!(", and {} were not begun", total - begun) } else { String::new() };
        let sentence = format!(
            "{} of {total} files could not be uploaded to {place}: {}. {there}{rest}; nothing was deleted. Run the step \
             again when that is mended: it leaves out what is there. The first: {}",
            self.failures.len(),
            self.names(),
            first.sentence
        );
        Some(Failure::new(reason, sentence))
    }

    fn names(&self) -> String {
        let names: Vec<_> =
            self.failures.iter().take(NAMED).map(|(index, _)| self.objects[*index].path.as_str()).collect();
        let more = self.failures.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}", names.join(", "))
    }

    fn cancelled(&self, missing: usize, place: &str) -> Failure {
        let Counts { uploaded, unchanged, .. } = self.counts;
        let why = self.failures.first().map(|(_, failure)| format!(" {}", failure.sentence)).unwrap_or_default();
        let sentence = format!(
            "The step was cancelled: {uploaded} of {} files were uploaded to {place}, {unchanged} were there unchanged, {missing} are missing; \
             nothing was deleted.{why}",
            self.objects.len()
        );
        Failure::new(Reason::UploadFailed, sentence)
    }

    /// The last line of a step that went well.
    pub(crate) fn summary(&self, place: &str, elapsed: Duration) -> String {
        let Counts { uploaded, unchanged, deleted } = self.counts;
        let seconds = format!("{}.{} s", elapsed.as_secs(), elapsed.subsec_millis() / 100);
        format!(
            "{place}: {uploaded} uploaded ({}), {unchanged} unchanged ({}), {deleted} deleted, in {seconds} ({}).",
            size(self.uploaded_bytes),
            size(self.unchanged_bytes),
            rate(self.uploaded_bytes, elapsed)
        )
    }
}

/// Whether another file would have met it too.
pub(crate) fn is_of_the_step(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BucketRefused
            | Reason::CredentialsExpired
            | Reason::CredentialsRefused
            | Reason::AwsCertificateNotTrusted
            | Reason::AwsUnavailable
            | Reason::AwsThrottled
            | Reason::ClockSkew
    )
}

#[cfg(test)]
mod tests;
