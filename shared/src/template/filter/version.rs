//! Parts of a version: `major.minor.patch.revision-prerelease+metadata`, with an optional `v` before it. What is not there is 0, or
//! empty.

use super::{Answer, Call, Refused, fault};

pub(super) fn major(call: &Call<'_>) -> Answer {
    number(call, 0)
}

pub(super) fn minor(call: &Call<'_>) -> Answer {
    number(call, 1)
}

pub(super) fn patch(call: &Call<'_>) -> Answer {
    number(call, 2)
}

pub(super) fn revision(call: &Call<'_>) -> Answer {
    number(call, 3)
}

pub(super) fn pre_release(call: &Call<'_>) -> Answer {
    Ok(Version::of(call)?.pre_release.into())
}

/// What stands before the last number of a pre-release: `beta` of `beta.7`.
pub(super) fn pre_release_prefix(call: &Call<'_>) -> Answer {
    Ok(cut(Version::of(call)?.pre_release).0.into())
}

/// The rest of it: `7` of `beta.7`.
pub(super) fn pre_release_counter(call: &Call<'_>) -> Answer {
    Ok(cut(Version::of(call)?.pre_release).1.into())
}

pub(super) fn metadata(call: &Call<'_>) -> Answer {
    Ok(Version::of(call)?.metadata.into())
}

fn number(call: &Call<'_>, index: usize) -> Answer {
    let version = Version::of(call)?;
    let number = version.numbers.split('.').nth(index).unwrap_or("0").trim_start_matches('0');
    Ok(if number.is_empty() { "0" } else { number }.into())
}

struct Version<'v> {
    numbers: &'v str,
    pre_release: &'v str,
    metadata: &'v str,
}

impl<'v> Version<'v> {
    fn of(call: &Call<'v>) -> Result<Self, Refused> {
        let text = call.only_text()?.trim();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (rest, metadata) = text.split_once('+').unwrap_or((text, ""));
        let (numbers, pre_release) = rest.split_once(['-', '_']).unwrap_or((rest, ""));
        let parts: Vec<&str> = numbers.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if parts.len() > 4 || !parts.iter().all(is_number) {
            return Err(fault("needs a version before the |, e.g. 1.2.3-beta.4"));
        }
        Ok(Self { numbers, pre_release, metadata })
    }
}

/// Before and after the first sign that parts a pre-release.
fn cut(pre_release: &str) -> (&str, &str) {
    pre_release.split_once(['.', '-', '_']).unwrap_or((pre_release, ""))
}
