// The contract's test bodies of open files.

/// Opens with options of the file's own type, and syncs data.
pub async fn handles(root: &Path) -> Vec<String> {
    let mut seen = Observations::default();
    let path = root.join("a");
    seen.note("missing", fs::File::options().read(true).open(&path).await.map(drop));
    let mut file = fs::File::options().read(true).write(true).create_new(true).open(&path).await.unwrap();
    seen.note("again", fs::File::options().write(true).create_new(true).open(&path).await.map(drop));
    seen.note("write", file.write_all(b"hello").await);
    // A sync waits for the write that the file has in flight.
    seen.note("sync", file.sync_data().await);
    seen.note("contents", fs::read_to_string(&path).await);
    let reader = fs::File::options().read(true).open(&path).await.unwrap();
    seen.note("sync of a reader", reader.sync_data().await);
    seen.0
}
