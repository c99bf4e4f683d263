//! Crates that need no socket: `tower`, `object_store` in memory, `opentelemetry`; and the blocking
//! closures that libraries spawn.

use crate::between;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use stormglass::prelude::*;
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt};

#[stormglass::test(seeds = 0..20)]
async fn tower_limits_buffers_and_times_out(world: World) {
    between(&world, std::future::pending, || async {
        let slow = tower::service_fn(async |seconds: u64| {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, std::io::Error>(seconds)
        });
        let service = ServiceBuilder::new().buffer(4).rate_limit(1, Duration::from_secs(10));
        let mut service = service.timeout(Duration::from_secs(5)).service(slow);
        let began = Instant::now();
        assert_eq!(service.ready().await.expect("it is there").call(1).await.expect("in time"), 1);
        let error = service.ready().await.expect("it is there").call(9).await.expect_err("it is late");
        assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
        // The second call waits for the limit, then for its timeout: 10 s + 5 s.
        assert_eq!(began.elapsed().as_secs(), 15);
    })
    .await;
}

#[stormglass::test(seeds = 0..20)]
async fn object_store_keeps_objects_in_memory(world: World) {
    between(&world, std::future::pending, || async {
        let (store, path) = (InMemory::new(), Path::from("a/b"));
        store.put(&path, "seven".into()).await.expect("it is stored");
        let bytes = store.get(&path).await.expect("it is there").bytes().await.expect("its bytes");
        assert_eq!(bytes, "seven");
    })
    .await;
}

#[stormglass::test(seeds = 0..20)]
async fn opentelemetry_exports_without_threads(world: World) {
    between(&world, std::future::pending, || async {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        provider.tracer("test").in_span("work", |_| ());
        assert_eq!(exporter.get_finished_spans().expect("the spans")[0].name, "work");
    })
    .await;
}

#[stormglass::test(seeds = 0..20)]
async fn a_blocking_closure_is_a_task(world: World) {
    between(&world, std::future::pending, || async {
        assert_eq!(tokio::task::spawn_blocking(|| 1 + 1).await.expect("it ends"), 2);
    })
    .await;
}
