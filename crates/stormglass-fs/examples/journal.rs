//! A journal whose code is the same with and without simulation: simulated with `--cfg madsim`,
//! on tokio's files without. Both print the same.

use std::io;
use std::path::Path;
use stormglass_fs::{self as fs, FileExt};
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};

/// Appends lines, each durable before the next, and reads them back.
async fn keep(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory).await?;
    let path = directory.join("journal");
    let mut journal = fs::OpenOptions::new().read(true).append(true).create_new(true).open(&path).await?;
    journal.lock().await?;
    let second = fs::OpenOptions::new().append(true).open(&path).await?;
    println!("locked by somebody else: {}", second.try_lock().is_err());
    for line in ["storm", "glass"] {
        journal.write_all(format!("{line}\n").as_bytes()).await?;
        journal.sync_data().await?;
    }
    // The file's name has to be durable too.
    fs::File::open(directory).await?.sync_all().await?;

    journal.rewind().await?;
    let mut lines = BufReader::new(&mut journal).lines();
    while let Some(line) = lines.next_line().await? {
        println!("{line}");
    }
    let mut start = [0; 5];
    journal.read_exact_at(&mut start, 6).await?;
    println!("at 6: {}", String::from_utf8_lossy(&start));
    journal.allocate(1 << 20).await?;
    println!("{} bytes", fs::metadata(&path).await?.len());
    Ok(())
}

#[cfg(madsim)]
fn main() -> io::Result<()> {
    use stormglass_core::Seed;
    use stormglass_fs::{Disk, DiskProfile};
    madsim::runtime::Runtime::new().block_on(async {
        let profile = DiskProfile::named("sata-ssd").unwrap_or_default();
        let disk = Disk::new("disk", profile, Seed(1));
        let _mounted = disk.mount();
        keep(Path::new("/data")).await?;
        eprint!("{}", disk.counters());
        Ok(())
    })
}

#[cfg(not(madsim))]
fn main() -> io::Result<()> {
    let directory = std::env::temp_dir().join(format!("journal-{}", std::process::id()));
    let kept = tokio::runtime::Builder::new_current_thread().build()?.block_on(keep(&directory));
    std::fs::remove_dir_all(&directory)?;
    kept
}
