//! (c) A log through mask, spool and store, against `cat` through a pipe; and masking alone, against copying memory.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use shared::mask::{MaskStream, Masker, Secrets};

use super::{
    Size,
    admin::{self, Admin, project},
    raw,
    report::Report,
};

pub(crate) fn masking(report: &mut Report, size: Size) {
    println!("masking");
    let text = raw::log_text((size.log_bytes / 4).max(32 << 20));
    let limit = raw::copy_rate(&text);
    for count in [8, 64, 512] {
        let rate = masking_rate(&text, &(0..count).map(secret).collect::<Vec<_>>());
        let aim = match count {
            64 => ">= 300 MB/s",
            512 => ">= 150 MB/s",
            _ => "",
        };
        report.add(
            format!("(c) masking alone, {count} secrets"),
            format!("{rate:.0} MB/s"),
            format!("{limit:.0} MB/s memory copy"),
            rate / limit,
            aim,
        );
    }
}

/// What a log can look like at worst: every byte goes on with the beginning of a secret, or interrupts one.
pub(crate) fn adversarial_masking(report: &mut Report, size: Size) {
    let bytes = (size.log_bytes / 16).max(8 << 20);
    let secrets = |count| (0..count).map(secret).collect::<Vec<_>>();
    let one_prefix = (0..200).map(|at| "a".repeat(60) + &secret(at)).collect();
    let beginnings: String = secrets(512).iter().map(|secret| &secret[..secret.len() - 5]).collect();
    let wrapped = secret(0)[..20].to_owned() + "\n";
    let coloured = secret(0)[..1].to_owned() + "\x1b[1m";
    let cases: [(&str, &str, Vec<String>); 6] = [
        ("200 secrets of one prefix, its character", "a", one_prefix),
        ("beginnings of 512 secrets", &beginnings, secrets(512)),
        ("newlines", "\n", vec!["line one\nline two".into()]),
        ("wrapped beginnings", &wrapped, secrets(64)),
        ("coloured beginnings", &coloured, secrets(64)),
        ("a long beginning, a colour after each character", "a\x1b[m", vec!["a".repeat(2000) + "b"]),
    ];
    for (name, piece, secrets) in cases {
        let text = piece.repeat(bytes / piece.len()).into_bytes();
        let limit = raw::copy_rate(&text);
        let rate = masking_rate(&text, &secrets);
        report.add(
            format!("(c) masking at worst: {name}"),
            format!("{rate:.0} MB/s"),
            format!("{limit:.0} MB/s memory copy"),
            rate / limit,
            ">= 50 MB/s",
        );
    }
}

fn masking_rate(text: &[u8], values: &[String]) -> f64 {
    let mut secrets = Secrets::new();
    for value in values {
        secrets.insert(value.as_bytes());
    }
    let mut stream = MaskStream::new(Arc::new(Masker::compile(&secrets)));
    let mut masked = Vec::with_capacity(text.len() + 64);
    let began = Instant::now();
    for chunk in text.chunks(64 << 10) {
        stream.push(chunk, &mut masked);
    }
    stream.finish(&mut masked);
    text.len() as f64 / 1e6 / began.elapsed().as_secs_f64()
}

pub(crate) async fn measure(report: &mut Report, size: Size) -> Result<()> {
    println!("logs through mask, spool and store");
    let (world, _hosts) = admin::world(1, 2)?;
    let admin = Admin::of(world.coordinator())?;
    admin.environment().await?;
    let text = raw::log_text(size.log_bytes);
    let file = world.folder().join("text");
    std::fs::write(&file, &text)?;
    drop(text);
    for count in [8, 64] {
        let name = format!("logs-{count}");
        admin.apply(project(&name, 1, &format!("cat {}", file.display()))).await?;
        for at in 0..count {
            admin.set_secret(&name, &format!("Secret {at}"), &secret(at)).await?;
        }
        let before = raw::cat_rate(&file);
        let began = Instant::now();
        let id = admin.deploy(&name).await?;
        let deployment = admin.succeeded(&id).await?;
        let execution = &deployment.steps[0].attempts[0].execution_id;
        log_is_complete(&admin, &id, execution).await?;
        let rate = size.log_bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
        let limit = f64::midpoint(before, raw::cat_rate(&file));
        report.add(
            format!("(c) one log stored durably, {count} secrets"),
            format!("{rate:.0} MB/s"),
            format!("{limit:.0} MB/s cat through a pipe"),
            rate / limit,
            if count == 64 { ">= 235 MB/s" } else { "" },
        );
    }
    Ok(())
}

/// Follows the log from its end on: the last chunk says that everything is stored.
async fn log_is_complete(admin: &Admin, id: &str, execution: &str) -> Result<()> {
    use tokio_stream::StreamExt;
    let request = proto::deployment::ReadLogRequest {
        deployment_id: id.into(),
        execution_id: execution.into(),
        from_sequence: i64::MAX,
        follow: true,
        ..Default::default()
    };
    let mut chunks = admin.deployments().read_log(request).await?.into_inner();
    while let Some(chunk) = chunks.next().await {
        if chunk?.complete {
            return Ok(());
        }
    }
    anyhow::bail!("the log of {execution} is not complete")
}

fn secret(at: usize) -> String {
    format!("S3cr3t-{at:04}-{:016x}", (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
