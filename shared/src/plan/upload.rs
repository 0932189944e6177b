//! What a step puts into an S3 bucket. Texts marked *template* may hold `#{…}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Action, Identity, Process, Step,
    files::{Globs, fixed_part},
};
use crate::limits;

/// Files to upload.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UploadToS3 {
    /// Template. Name of the bucket.
    pub bucket: String,
    /// Template. The AWS account that must own the bucket, 12 digits; empty: that of the step's identity.
    pub bucket_owner: String,
    /// Globs over the project's files, e.g. `dist/**`; or one path.
    pub source: Vec<String>,
    /// Globs of files that are left out.
    pub exclude: Vec<String>,
    /// Template. Before every key, as it is.
    pub key_prefix: String,
    /// Template. The whole key of the only file, after the prefix; empty: its path below the glob's fixed part.
    pub key: String,
    /// How objects are stored.
    pub settings: ObjectSettings,
    /// Exceptions; of those that match a file, each later one wins over the ones before.
    pub rules: Vec<ObjectRule>,
    /// Whether files are uploaded whose object is there already and is the same; normally they are not.
    pub even_unchanged: bool,
    /// Whether objects below the prefix that no file stands for are deleted.
    pub delete_extraneous: Option<DeleteExtraneous>,
}

/// Settings of the objects of some files.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ObjectRule {
    /// Globs over paths below the glob's fixed part.
    pub files: Vec<String>,
    /// What differs.
    pub settings: ObjectSettings,
}

/// How objects are stored. Empty texts say nothing; all are templates.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ObjectSettings {
    /// Media type; empty: by the file's name.
    pub content_type: String,
    /// `Cache-Control`.
    pub cache_control: String,
    /// `Content-Disposition`.
    pub content_disposition: String,
    /// `Content-Encoding`.
    pub content_encoding: String,
    /// `Content-Language`.
    pub content_language: String,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
    /// At most 10.
    pub tags: BTreeMap<String, String>,
    /// E.g. `STANDARD_IA`; empty for the standard class.
    pub storage_class: String,
    /// `AES256` or `aws:kms`; empty for the bucket's own encryption.
    pub encryption: String,
    /// With `aws:kms`; empty for AWS's own key.
    pub kms_key: String,
    /// Canned ACL; empty for none, which buckets without ACLs demand.
    pub acl: String,
}

/// Objects that no file stands for are deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeleteExtraneous {
    /// If there are more of them than this, none is deleted and the step fails.
    pub at_most: u32,
}

impl Process {
    pub(super) fn upload_faults(&self, step: &Step, upload: &UploadToS3, say: &mut impl FnMut(String)) {
        if step.aws.identity == Identity::None {
            say("it uploads without credentials: set `aws.identity` to account or worker-role.".into());
        }
        let bucket = upload.bucket.trim();
        if bucket.is_empty() {
            say("`bucket` is empty.".into());
        } else if !bucket.contains("#{") && !is_bucket_name(bucket) {
            say(format!(
                "`bucket` is \"{bucket}\", which is no bucket's name: write the name alone, 3 to 63 lower-case letters, digits, dots and \
                 dashes, without s3:// and arn:."
            ));
        }
        let owner = upload.bucket_owner.trim();
        let is_account = owner.len() == 12 && owner.bytes().all(|byte| byte.is_ascii_digit());
        if !owner.is_empty() && !owner.contains("#{") && !is_account {
            say(format!("`bucket_owner` is \"{owner}\", and an AWS account has 12 digits."));
        }
        if upload.source.is_empty() {
            say("`source` is empty: name a file, or a glob like dist/**.".into());
        }
        for glob in upload.source.iter().chain(&upload.exclude).chain(upload.rules.iter().flat_map(|rule| &rule.files))
        {
            glob_faults(glob, say);
        }
        if let Ok(globs) = Globs::new(&upload.source)
            && !self.files.iter().any(|file| globs.match_path(&file.path))
        {
            say("its `source` matches none of the project's files.".into());
        }
        let files = self.files_of(step).len();
        if !upload.key.is_empty() && files > 1 {
            say(format!("`key` is the name of a single object, and {files} files are uploaded: use `key_prefix`."));
        }
        for settings in upload.rules.iter().map(|rule| &rule.settings).chain([&upload.settings]) {
            settings_faults(settings, say);
        }
        let prefix = upload.key_prefix.trim();
        if upload.delete_extraneous.is_some() && prefix.is_empty() {
            say("`delete_extraneous` without a `key_prefix` would empty the bucket: name a prefix.".into());
        } else if upload.delete_extraneous.is_some() && !upload.key_prefix.ends_with(['/', '}']) {
            say(format!(
                "`delete_extraneous` needs a `key_prefix` that ends with /: below \"{prefix}\" are also objects like {prefix}2/… that have \
                 nothing to do with it."
            ));
        }
    }
}

/// Whether S3 takes it for the name of a bucket (Amazon S3 User Guide, "General purpose bucket naming rules").
#[must_use]
pub fn is_bucket_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.')
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
}

impl Process {
    /// Rules of an upload that no file of it is meant by, each in a sentence.
    pub(super) fn unmatched_rules(&self, step: &Step) -> Vec<String> {
        let Action::UploadToS3(upload) = &step.action else { return Vec::new() };
        if upload.rules.is_empty() {
            return Vec::new();
        }
        let sources: Vec<Source<'_>> = upload.source.iter().filter_map(Source::new).collect();
        let files = self.files_of(step);
        let below: Vec<&str> = files.iter().map(|file| below(&sources, &file.path)).collect();
        let matches =
            |glob: &&String| Globs::new([*glob]).is_ok_and(|globs| below.iter().any(|path| globs.match_path(path)));
        let unmatched = upload.rules.iter().flat_map(|rule| &rule.files).filter(|glob| !matches(glob));
        let sentence = |glob: &String| {
            format!(
                "Step \"{}\": the rule for \"{glob}\" is about none of its files. Rules are about paths below the fixed part of `source`, \
                 e.g. **/*.css for dist/css/site.css of dist/**.",
                step.name
            )
        };
        unmatched.map(sentence).collect()
    }
}

/// A glob, and the folders in front of its first wildcard.
struct Source<'a> {
    globs: Globs,
    fixed: &'a str,
}

impl<'a> Source<'a> {
    fn new(glob: &'a String) -> Option<Self> {
        Some(Self { globs: Globs::new([glob]).ok()?, fixed: fixed_part(glob) })
    }
}

/// What of a path becomes a part of its key.
fn below<'a>(sources: &[Source<'_>], path: &'a str) -> &'a str {
    let source = sources.iter().find(|source| source.globs.match_path(path));
    source.and_then(|source| path.strip_prefix(source.fixed)).unwrap_or(path)
}

fn glob_faults(glob: &str, say: &mut impl FnMut(String)) {
    if glob.contains("#{") {
        say(format!("its glob \"{glob}\" holds #{{…}}: which files a project has is known before its variables are."));
    } else if glob.trim().is_empty() || glob.starts_with('/') || glob.split('/').any(|part| part == "..") {
        say(format!("its glob \"{glob}\" leads out of the project's folder."));
    } else if let Err(why) = Globs::new([&glob.to_owned()]) {
        say(format!("{why}."));
    }
}

fn settings_faults(settings: &ObjectSettings, say: &mut impl FnMut(String)) {
    if settings.tags.len() > limits::OBJECT_TAGS {
        say(format!("its objects have {} tags; S3 takes at most {}.", settings.tags.len(), limits::OBJECT_TAGS));
    }
    if !matches!(settings.encryption.as_str(), "" | "AES256" | "aws:kms") {
        say(format!("`encryption` is \"{}\": write AES256 or aws:kms.", settings.encryption));
    }
    if !settings.kms_key.is_empty() && settings.encryption != "aws:kms" {
        say("`kms_key` counts only with `encryption: aws:kms`.".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        File,
        faults::tests::{faults_after, step},
    };

    fn faults(change: impl FnOnce(&mut UploadToS3)) -> String {
        let mut upload =
            UploadToS3 { bucket: "shop-site".into(), source: vec!["scripts/**".into()], ..UploadToS3::default() };
        change(&mut upload);
        let faults = faults_after(|step| {
            step.aws.identity = Identity::WorkerRole;
            step.action = Action::UploadToS3(Box::new(upload));
        });
        faults.join("\n")
    }

    #[test]
    fn a_good_upload_has_no_faults() {
        assert_eq!(faults(|_| {}), "");
        assert_eq!(faults(|upload| upload.settings.encryption = "AES256".into()), "");
    }

    #[test]
    fn a_rule_that_is_about_no_file_is_told() {
        let rule = |glob: &str| ObjectRule { files: vec![glob.into()], settings: ObjectSettings::default() };
        let upload = UploadToS3 {
            source: vec!["dist/**".into()],
            rules: ["*.html", "**/*.css", "dist/**/*.css", "*.htm"].map(rule).to_vec(),
            ..UploadToS3::default()
        };
        let only = Step { action: Action::UploadToS3(Box::new(upload)), ..step("Site") };
        let file = |path: &str| File { path: path.into(), sha256: "0".repeat(64), size: 1, executable: false };
        let process = Process { steps: vec![only], files: ["dist/a.html", "dist/css/a.css"].map(file).to_vec() };
        let warnings = process.warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("\"dist/**/*.css\"") && warnings[1].contains("\"*.htm\""), "{warnings:?}");
    }

    #[test]
    fn what_could_not_be_uploaded_as_written_is_told() {
        assert!(faults(|upload| upload.bucket = " ".into()).contains("`bucket` is empty"));
        for bucket in ["s3://shop-site", "arn:aws:s3:::shop-site", "Shop_Site", "b"] {
            assert!(faults(|upload| upload.bucket = bucket.into()).contains("write the name alone"), "{bucket}");
        }
        assert_eq!(faults(|upload| upload.bucket = "#{Bucket}".into()), "");
        assert!(faults(|upload| upload.bucket_owner = "4444555566".into()).contains("has 12 digits"));
        assert!(faults(|upload| upload.source.clear()).contains("`source` is empty"));
        assert!(faults(|upload| upload.source = vec!["../x".into()]).contains("leads out"));
        assert!(faults(|upload| upload.source = vec!["a[".into()]).contains("the glob \"a[\" cannot be read"));
        assert!(faults(|upload| upload.source = vec!["dist/**".into()]).contains("matches none"));
        assert!(faults(|upload| upload.exclude = vec!["/etc/*".into()]).contains("leads out"));
        assert!(faults(|upload| upload.source = vec!["#{Dir}/**".into()]).contains("known before its variables"));
        assert!(faults(|upload| upload.settings.encryption = "KMS".into()).contains("AES256 or aws:kms"));
        assert!(faults(|upload| upload.settings.kms_key = "k".into()).contains("counts only with"));
        assert!(
            faults(|upload| upload.delete_extraneous = Some(DeleteExtraneous { at_most: 10 })).contains("key_prefix")
        );
        let all_alike = |upload: &mut UploadToS3| {
            upload.delete_extraneous = Some(DeleteExtraneous { at_most: 10 });
            upload.key_prefix = "web".into();
        };
        assert!(faults(all_alike).contains("a `key_prefix` that ends with /"));
        let many = |upload: &mut UploadToS3| {
            upload.settings.tags = (0..11).map(|n| (n.to_string(), String::new())).collect();
        };
        assert!(faults(many).contains("11 tags"));
    }
}
