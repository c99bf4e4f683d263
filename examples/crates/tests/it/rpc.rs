//! `tonic`, with its own incoming connections and its own connector.

use crate::between;
use stormglass::prelude::*;
use tokio::net::{TcpListener, lookup_host};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::health_reporter;

async fn serve() {
    let (reporter, health) = health_reporter();
    reporter.set_service_status("greeter", ServingStatus::NotServing).await;
    // `Server::serve` would bind a listener of the standard library.
    let listener = TcpListener::bind("0.0.0.0:50051").await.expect("the port is free");
    let server = Server::builder().add_service(health);
    server.serve_with_incoming(TcpIncoming::from(listener)).await.expect("it serves");
}

#[stormglass::test(seeds = 0..20)]
async fn tonic_calls_tonic(world: World) {
    between(&world, serve, || async {
        let server = lookup_host("server:50051").await.expect("a host").next().expect("an address");
        let endpoint = Endpoint::new(format!("http://{server}")).expect("an address");
        let endpoint = endpoint.tcp_keepalive(Some(Duration::from_secs(10)));
        let mut health = HealthClient::new(endpoint.connect().await.expect("it connects"));
        let request = HealthCheckRequest { service: "greeter".into() };
        let status = health.check(request).await.expect("an answer").into_inner().status();
        assert_eq!(status.as_str_name(), "NOT_SERVING");
    })
    .await;
}
