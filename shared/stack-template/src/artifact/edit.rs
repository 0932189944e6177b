//! Edits of a template's text.

use std::ops::Range;

use super::{Artifact, Form, Replacement};
use crate::{Fault, Template};

impl Template {
    /// The text with the edits made. Values are written inline as JSON, which is YAML as well; every byte besides is as it was.
    ///
    /// # Errors
    /// An artifact is none of this template, or is there twice; or a nested template is to be replaced by an object, which needs an
    /// address.
    pub fn replaced(&self, edits: &[(Artifact, Replacement)]) -> Result<String, Fault> {
        let known = self.local_artifacts();
        let mut edits: Vec<_> = edits.iter().collect();
        edits.sort_by_key(|(artifact, _)| artifact.span.start);
        let mut text = String::with_capacity(self.text().len());
        let mut done = 0;
        for (artifact, replacement) in edits {
            let is_known = known
                .binary_search_by_key(&artifact.span.start, |known| known.span.start)
                .is_ok_and(|index| known[index] == *artifact);
            if !is_known || artifact.span.start < done {
                return Err(foreign(artifact));
            }
            let span = value_span(self.text(), &artifact.span);
            text.push_str(&self.text()[done..span.start]);
            text.push_str(&value(artifact, replacement)?);
            done = span.end;
        }
        text.push_str(&self.text()[done..]);
        Ok(text)
    }
}

/// A block scalar's last line break is no part of what is replaced: the next key stays on its line.
fn value_span(text: &str, span: &Range<usize>) -> Range<usize> {
    span.start..span.start + text[span.clone()].trim_end().len()
}

fn foreign(artifact: &Artifact) -> Fault {
    let sentence = format!(
        "{} of \"{}\" cannot be replaced: it is not in this template, or was replaced already.",
        artifact.property, artifact.logical_id
    );
    Fault::new((artifact.line, 1), sentence)
}

fn value(artifact: &Artifact, replacement: &Replacement) -> Result<String, Fault> {
    match (replacement, artifact.form) {
        (Replacement::Url(url), _) => Ok(quoted(url)),
        (Replacement::Object { bucket, key, .. }, Form::S3Url) => Ok(quoted(&format!("s3://{bucket}/{key}"))),
        (Replacement::Object { bucket, key, version }, Form::Mapping { bucket: b, key: k, version: v }) => {
            let mut pairs = vec![(b, bucket), (k, key)];
            pairs.extend(v.zip(version.as_ref()));
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("\"{name}\": {}", quoted(value))).collect();
            Ok(format!("{{{}}}", pairs.join(", ")))
        }
        (Replacement::Object { .. }, Form::HttpsUrl) => Err(Fault::new(
            (artifact.line, 1),
            format!("{} of \"{}\" takes an https:// address.", artifact.property, artifact.logical_id),
        )),
    }
}

/// As JSON, so as double-quoted YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
