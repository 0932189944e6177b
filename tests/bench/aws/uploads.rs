//! Files into a bucket, against `aws s3 cp`.

use std::{fs, io::Write};

use anyhow::{Context, Result};
use tests::Bucket;

use super::{Client, Report, Size, Stage, Took};

/// 4 KiB: a small file of a site.
const SMALL: usize = 4 << 10;
const LARGE: &str = "large/file";
const MANY: &str = "many";

pub(super) fn measure(report: &mut Report, stage: &Stage, size: Size) -> Result<()> {
    large_file(stage, size.uploaded_bytes)?;
    let copy = |bucket: &str| vec!["cp".to_owned(), LARGE.to_owned(), format!("s3://{bucket}/file")];
    let (took, clients) = compare(stage, "large", LARGE, &copy)?;
    let megabytes = size.uploaded_bytes as f64 / 1e6;
    let what = format!("(e) upload of one file of {} MiB", size.uploaded_bytes >> 20);
    tell(report, &what, megabytes, "MB/s", &took, &clients)?;

    for number in 0..size.uploaded_files {
        stage.write(&format!("{MANY}/{}/{number}", number % 50), &number.to_le_bytes().repeat(SMALL / 8))?;
    }
    let copy = |bucket: &str| {
        ["cp", "--recursive", MANY].map(str::to_owned).into_iter().chain([format!("s3://{bucket}/")]).collect()
    };
    let (took, clients) = compare(stage, "many", "many/**", &copy)?;
    let what = format!("(e) upload of {} files", size.uploaded_files);
    tell(report, &what, size.uploaded_files as f64, "files/s", &took, &clients)
}

/// Each client before and after the step, each time into a bucket of its own.
fn compare(
    stage: &Stage,
    what: &str,
    source: &str,
    copy: &dyn Fn(&str) -> Vec<String>,
) -> Result<(Took, Vec<(String, f64)>)> {
    let round = |number: usize| -> Result<Vec<f64>> {
        stage.clients.iter().map(|client| client_seconds(stage, client, &format!("{what}-{number}"), copy)).collect()
    };
    let before = round(0)?;
    let took = in_new_bucket(stage, &format!("step-{what}"), |bucket| {
        stage.run(&format!("s3_upload: {{ bucket: {bucket}, source: \"{source}\" }}"))
    })?;
    let after = round(1)?;
    let means = before.into_iter().zip(after).map(|(before, after)| f64::midpoint(before, after));
    Ok((took, stage.clients.iter().map(|client| client.name.clone()).zip(means).collect()))
}

fn client_seconds(stage: &Stage, client: &Client, what: &str, copy: &dyn Fn(&str) -> Vec<String>) -> Result<f64> {
    let name = format!("{what}-{}", client.name.replace(['/', '.'], "-"));
    in_new_bucket(stage, &name, |bucket| {
        let mut arguments = vec!["s3".to_owned()];
        arguments.extend(copy(bucket));
        // The checksum that the step sends to an endpoint of one's own: the newest takes the emulator a second for each part.
        arguments.extend(["--checksum-algorithm", "CRC32", "--only-show-errors"].map(str::to_owned));
        client.seconds_in(&stage.folder(), &arguments)
    })
}

/// What has been stored is deleted again where it is large: the emulator has it in memory.
fn in_new_bucket<T>(stage: &Stage, name: &str, work: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    let bucket = Bucket::create(stage.world.aws(), name)?;
    let done = work(name)?;
    bucket.delete("file")?;
    Ok(done)
}

fn tell(
    report: &mut Report,
    what: &str,
    amount: f64,
    unit: &str,
    took: &Took,
    clients: &[(String, f64)],
) -> Result<()> {
    for (name, limit) in clients {
        let raw = format!("{:.0} {unit} {name}", amount / limit);
        let parts = [
            ("action alone", action_seconds(took)?, ">= 1"),
            ("process", took.process, ">= 1"),
            ("offer to end", took.whole, ""),
        ];
        for (part, seconds, aim) in parts {
            report.add(
                format!("{what}, {part}"),
                format!("{:.0} {unit}", amount / seconds),
                raw.clone(),
                limit / seconds,
                aim,
            );
        }
    }
    report.note(format!("{what}, most memory"), format!("{:.1} MiB", took.peak as f64 / 1024.0), "<= 64 MiB");
    Ok(())
}

/// What the step's last line says: `…, in 9.6 s (…)`.
fn action_seconds(took: &Took) -> Result<f64> {
    let said = took.log.rsplit_once(", in ").and_then(|(_, rest)| rest.split_once(" s "));
    let (seconds, _) = said.with_context(|| format!("no time in {}", took.log))?;
    seconds.parse().with_context(|| format!("{seconds} is no time"))
}

/// No part of it is like another.
fn large_file(stage: &Stage, bytes: usize) -> Result<()> {
    stage.write(LARGE, &[])?;
    let mut file = fs::File::create(stage.folder().join(LARGE))?;
    for number in 0..bytes >> 20 {
        file.write_all(&number.to_le_bytes().repeat((1 << 20) / 8))?;
    }
    Ok(())
}
