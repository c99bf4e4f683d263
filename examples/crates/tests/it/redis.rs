//! `redis`, with a server that knows two commands.

use crate::between;
use ::redis::AsyncCommands;
use std::collections::BTreeMap;
use stormglass::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Serves SET and GET, as <https://redis.io/docs/latest/develop/reference/protocol-spec/> describes
/// them; any other command succeeds.
async fn serve() {
    let listener = TcpListener::bind("0.0.0.0:6379").await.expect("the port is free");
    let mut values = BTreeMap::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut stream = BufReader::new(stream);
        while let Some(command) = command(&mut stream).await {
            let answer = match &command[..] {
                [name, key, value] if name == "SET" => {
                    values.insert(key.clone(), value.clone());
                    "+OK\r\n".into()
                }
                [name, key] if name == "GET" => match values.get(key) {
                    Some(value) => format!("${}\r\n{value}\r\n", value.len()),
                    None => "$-1\r\n".into(),
                },
                _ => "+OK\r\n".into(),
            };
            stream.write_all(answer.as_bytes()).await.expect("the client is there");
        }
    }
}

/// Reads a command: an array of strings.
async fn command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(stream, '*').await? {
        let mut bytes = vec![0; number(stream, '$').await? + 2];
        stream.read_exact(&mut bytes).await.ok()?;
        words.push(String::from_utf8_lossy(&bytes[..bytes.len() - 2]).into_owned());
    }
    Some(words)
}

async fn number(stream: &mut BufReader<TcpStream>, kind: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}

#[stormglass::test(seeds = 0..20)]
async fn redis_connects_by_itself(world: World) {
    between(&world, serve, || async {
        let client = ::redis::Client::open("redis://server/").expect("an address");
        let mut redis = client.get_multiplexed_async_connection().await.expect("it connects");
        let _: () = redis.set("color", "red").await.expect("it is stored");
        let color: String = redis.get("color").await.expect("it is there");
        assert_eq!(color, "red");
    })
    .await;
}

#[stormglass::test(seeds = 0..20)]
async fn redis_takes_a_stream(world: World) {
    between(&world, serve, || async {
        let stream = stormglass::net::TcpStream::connect("server:6379").await.expect("it connects");
        let info = ::redis::RedisConnectionInfo::default();
        let connected = ::redis::aio::MultiplexedConnection::new(&info, stream).await;
        let (mut redis, driver) = connected.expect("the server answers");
        let commands = async {
            let _: () = redis.set("color", "red").await.expect("it is stored");
            let color: String = redis.get("color").await.expect("it is there");
            assert_eq!(color, "red");
        };
        tokio::select! {
            () = driver => panic!("the server has closed the connection"),
            () = commands => (),
        }
    })
    .await;
}
