use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;
use stormglass_core::Limit;
use stormglass_real::testing::Test;
use stormglass_real::{Scenario, World, scenario};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket, lookup_host};

const LIMIT: Limit = Limit { deadline: Duration::from_secs(20), parameter: None };

/// Answers each connection with the node's name and the other side's address.
async fn answer(name: &'static str, listener: TcpListener) {
    while let Ok((mut stream, peer)) = listener.accept().await {
        let _ = stream.write_all(format!("{name} {}", peer.ip()).as_bytes()).await;
    }
}

async fn ask(to: &str) -> std::io::Result<String> {
    let mut text = String::new();
    TcpStream::connect(to).await?.read_to_string(&mut text).await?;
    Ok(text)
}

struct SamePort;

/// Three nodes listen at the same port
#[scenario]
impl Scenario for SamePort {
    async fn play(&self, world: World) {
        for (name, any) in [("one", "0.0.0.0:8080"), ("two", "127.0.0.1:8080"), ("three", "[::]:8080")] {
            let ready = world.node(name).spawn("bind", async move { TcpListener::bind(any).await.unwrap() });
            let listener = ready.await.unwrap();
            world.node(name).spawn("answer", answer(name, listener));
        }
        let client = world.client("client");
        let own: IpAddr = client.node().ip();
        let asks = client.run(async move |_| {
            for name in ["one", "two", "three"] {
                let answer = ask(&format!("{name}:8080")).await.unwrap();
                let (from, peer) = answer.split_once(' ').unwrap();
                assert_eq!((from, peer.trim_start_matches("::ffff:")), (name, &*own.to_string()));
            }
            assert_eq!(ask("one:8081").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        });
        world.wait("answers", "client", LIMIT, asks).await.unwrap();
    }
}

#[test]
fn every_node_binds_the_same_port_and_is_reached_by_name() {
    Test::of(SamePort, "same port").run();
}

#[test]
fn tests_run_at_the_same_time() {
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| Test::of(SamePort, "same port").run());
        }
    });
}

struct Names;

/// A node is known by name
#[scenario]
impl Scenario for Names {
    async fn play(&self, world: World) {
        let (one, two) = (world.node("one"), world.node("two"));
        let (one_ip, two_ip) = (one.ip(), two.ip());
        let lookups = one.spawn("lookups", async move {
            let find =
                async |name: &str| lookup_host((name, 80)).await.map(|mut found| found.next().unwrap().ip());
            assert_eq!(find("two").await.unwrap(), two_ip);
            assert_eq!(find("localhost").await.unwrap(), one_ip);
            assert_eq!(find("192.0.2.1").await.unwrap().to_string(), "192.0.2.1");
            let unknown = find("three").await.unwrap_err().to_string();
            assert_eq!(unknown, "failed to lookup address information: Name or service not known");
        });
        lookups.await.unwrap();
    }
}

#[test]
fn a_name_is_that_of_a_node_or_unknown() {
    Test::of(Names, "names").run();
}

struct Datagrams;

/// A datagram comes from its node
#[scenario]
impl Scenario for Datagrams {
    async fn play(&self, world: World) {
        let (one, two) = (world.node("one"), world.node("two"));
        let expected = two.ip();
        let socket = one.spawn("bind", UdpSocket::bind("0.0.0.0:53000")).await.unwrap().unwrap();
        let receive =
            one.spawn("receive", async move { socket.recv_from(&mut [0; 8]).await.unwrap().1.ip() });
        two.spawn("send", async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.send_to(b"x", "one:53000").await.unwrap();
        });
        assert_eq!(world.wait("a datagram", "one", LIMIT, receive).await.unwrap().unwrap(), expected);
    }
}

#[test]
fn a_datagram_comes_from_the_address_of_its_node() {
    Test::of(Datagrams, "datagrams").run();
}

struct Restarts;

/// A killed node starts again with its files
#[scenario]
impl Scenario for Restarts {
    async fn play(&self, world: World) {
        let node = world.node("one");
        for starts in 1..=3 {
            node.run("serve", async || {
                let listener = TcpListener::bind("0.0.0.0:8080").await.unwrap();
                let mut text = tokio::fs::read("starts").await.unwrap_or_default();
                text.push(b'|');
                tokio::fs::write("starts", &text).await.unwrap();
                while let Ok((mut stream, _)) = listener.accept().await {
                    stream.write_all(&text).await.unwrap();
                }
            });
            let client = world.client("client").run(async |_| {
                loop {
                    match ask("one:8080").await {
                        Ok(text) => return text,
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
            });
            assert_eq!(world.wait("starts", "client", LIMIT, client).await.unwrap().len(), starts);
            node.kill();
        }
        let other = world.node("two").spawn("read", tokio::fs::read("starts")).await.unwrap();
        assert_eq!(other.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn a_killed_node_frees_its_port_and_keeps_its_files() {
    Test::of(Restarts, "restarts").run();
}
