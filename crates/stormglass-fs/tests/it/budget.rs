//! Loops of operations without latency let other tasks run, and take time.

use madsim::runtime::Runtime;
use std::io::SeekFrom;
use std::time::Duration;
use stormglass_core::Seed;
use stormglass_fs::{Disk, DiskProfile};
use stormglass_rt as rt;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// A budget takes 128 µs, so the 79th begins before 10 ms are over.
#[test]
fn a_timeout_ends_a_loop_of_operations_without_latency() {
    Runtime::new().block_on(async {
        let disk = Disk::new("disk", DiskProfile::instant(), Seed(1));
        disk.write("file", b"x").await.unwrap();
        for is_stream in [false, true] {
            let mut file = disk.open("file").await.unwrap();
            // A new poll has a whole budget.
            rt::sleep(Duration::from_micros(1)).await;
            let (mut count, began) = (0, rt::now());
            let endless = async {
                loop {
                    if is_stream {
                        assert_eq!(file.read(&mut [0]).await.unwrap(), 1);
                        // A seek costs nothing, as tokio knows the position.
                        file.seek(SeekFrom::Start(0)).await.unwrap();
                    } else {
                        disk.metadata("file").await.unwrap();
                    }
                    count += 1;
                }
            };
            let ended: Option<()> = rt::timeout(Duration::from_millis(10), endless).await;
            assert!(ended.is_none());
            let took = rt::now() - began;
            assert!((10_000..10_128).contains(&took.as_micros()), "{took:?}");
            assert_eq!(count, 79 * 128, "{is_stream}");
        }
    });
}
