//! Many files and large ones, from the folder of a project file through coordinator and worker into the bucket.

use std::io::Write;

use shared::limits;
use tests::process::peak_kib;

use super::*;

/// 64 MiB, in KiB: what the process of an upload may need at most.
const MEMORY: u64 = 64 << 10;

/// Runs an upload to its end; answers what became of it, and the most memory of its process, in KiB.
fn watched(shop: &Shop, keys: &str) -> Result<(Ended, u64)> {
    let id = shop.begin(keys)?;
    let action = shop.action()?;
    let mut most = 0;
    until("the action to end", 3 * SOON, || match peak_kib(action) {
        Some(peak) => {
            most = peak;
            Ok(None)
        }
        None => Ok(Some(())),
    })?;
    Ok((shop.ended(&id)?, most))
}

#[test]
fn thousands_of_files_arrive_each_once_and_are_told_of_within_the_limits() -> Result<()> {
    const FILES: usize = 5000;
    let shop = Shop::start()?;
    for number in 0..FILES {
        shop.write(&format!("dist/{}/{number}.txt", number % 50), number.to_string())?;
    }
    let (ended, memory) = watched(&shop, SITE)?;
    ended.succeeded();
    assert_eq!(ended.counts(), [FILES.to_string().as_str(), "0", "0"]);
    let versions = shop.bucket.versions()?;
    assert_eq!(versions.len(), FILES);
    assert!(versions.values().all(|count| *count == 1), "some object was stored twice");
    assert_eq!(shop.bucket.text("web/49/4999.txt")?, "4999");
    let outputs = ended.outputs();
    let files = outputs.keys().filter(|name| name.starts_with("Files[")).count();
    let size: usize = outputs.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(files == FILES && size <= limits::OUTPUTS_BYTES, "{files} files in {size} bytes");
    assert!(memory > 0 && memory < MEMORY, "{memory} KiB");
    Ok(())
}

#[test]
fn a_large_file_arrives_whole_through_little_memory() -> Result<()> {
    const MEBIBYTES: usize = 200;
    let shop = Shop::start()?;
    shop.write("dist/small.txt", "small")?;
    let mut file = fs::File::create(shop.folder().join("dist/large.bin"))?;
    for number in 0..MEBIBYTES {
        // No part is like another.
        file.write_all(&(number as u64).to_le_bytes().repeat((1 << 20) / 8))?;
    }
    drop(file);
    let (ended, memory) = watched(&shop, SITE)?;
    ended.succeeded();
    assert_eq!(shop.bucket.head("web/large.bin")?["content-length"], (MEBIBYTES << 20).to_string());
    assert_eq!(shop.bucket.unfinished()?, 0);
    assert!(memory > 0 && memory < MEMORY, "{memory} KiB");

    let again = shop.run(SITE)?;
    again.succeeded();
    assert_eq!(again.counts(), ["0", "2", "0"], "its sum is that of the file: {}", again.log);
    Ok(())
}
