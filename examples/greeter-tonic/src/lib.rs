//! A gRPC service that greets visitors and counts them, and its client, whose calls have deadlines
//! and are repeated.
//!
//! It has a bug: a call that is repeated counts its visitor twice (`Guests::count`).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/greeter.Greeter.rs"));
}

use generated::greeter_client::GreeterClient;
use generated::greeter_server::{Greeter, GreeterServer};

pub const PORT: u16 = 50051;

/// How long a call may take.
pub const DEADLINE: Duration = Duration::from_secs(1);

#[derive(Clone, PartialEq, prost::Message)]
pub struct GreetRequest {
    #[prost(string, tag = "1")]
    pub name: String,
    /// The same in each repetition of a call.
    #[prost(uint64, tag = "2")]
    pub call: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct GreetReply {
    #[prost(string, tag = "1")]
    pub text: String,
    /// How many visitors there were, with this one.
    #[prost(uint64, tag = "2")]
    pub visitors: u64,
}

/// The visitors so far.
#[derive(Default)]
struct Guests {
    visitors: u64,
    /// The number that each call has got.
    numbers: BTreeMap<u64, u64>,
}

impl Guests {
    /// Counts a visitor and returns how many there are.
    fn count(&mut self, call: u64) -> u64 {
        // The bug: the first answer may have been lost, or too late. The feature of the test
        // `repaired` recognizes the call.
        if cfg!(feature = "repaired")
            && let Some(&number) = self.numbers.get(&call)
        {
            return number;
        }
        self.visitors += 1;
        self.numbers.insert(call, self.visitors);
        self.visitors
    }
}

#[derive(Clone, Default)]
struct Service(Arc<Mutex<Guests>>);

#[tonic::async_trait]
impl Greeter for Service {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let GreetRequest { name, call } = request.into_inner();
        let visitors = self.0.lock().unwrap_or_else(PoisonError::into_inner).count(call);
        Ok(Response::new(GreetReply { text: format!("Hello, {name}!"), visitors }))
    }
}

/// Serves greetings.
pub async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let server = Server::builder().add_service(GreeterServer::new(Service::default()));
    server.serve_with_incoming(incoming(listener)).await.map_err(io::Error::other)
}

/// A client of the service.
pub struct Client(GreeterClient<Channel>);

impl Client {
    /// Creates a client that connects to `host` with its first call.
    pub fn new(host: &str) -> Result<Client, tonic::transport::Error> {
        // Without keepalive, and without deadlines, a call would wait for ever for a server whose
        // host is gone.
        let endpoint = Endpoint::new(format!("http://{host}:{PORT}"))?
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(2));
        Ok(Client(GreeterClient::new(connect(&endpoint))))
    }

    /// Calls once.
    ///
    /// # Errors
    ///
    /// The status of the answer. tonic's client reports a deadline that has passed as `CANCELLED`.
    pub async fn greet_once(&mut self, name: &str, call: u64) -> Result<GreetReply, Status> {
        let mut request = Request::new(GreetRequest { name: name.into(), call });
        request.set_timeout(DEADLINE);
        self.0.greet(request).await.map(Response::into_inner)
    }

    /// Calls, and calls again until there is an answer.
    pub async fn greet(&mut self, name: &str, call: u64) -> GreetReply {
        loop {
            match self.greet_once(name, call).await {
                Ok(reply) => return reply,
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

#[cfg(madsim)]
fn incoming(listener: TcpListener) -> stormglass_net::integrations::tonic::Incoming {
    stormglass_net::integrations::tonic::Incoming::new(listener)
}

#[cfg(not(madsim))]
fn incoming(listener: TcpListener) -> tonic::transport::server::TcpIncoming {
    tonic::transport::server::TcpIncoming::from(listener)
}

#[cfg(madsim)]
fn connect(endpoint: &Endpoint) -> Channel {
    endpoint.connect_with_connector_lazy(stormglass_net::integrations::hyper_util::Connector::new())
}

#[cfg(not(madsim))]
fn connect(endpoint: &Endpoint) -> Channel {
    endpoint.connect_lazy()
}
