//! `sqlx`, with a Postgres server that knows one answer.

use crate::between;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, Executor, PgConnection, Row};
use std::io;
use stormglass::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn serve() {
    let listener = TcpListener::bind("0.0.0.0:5432").await.expect("the port is free");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        // A client that goes away ends its connection.
        let _ = session(stream).await;
    }
}

/// A message of the protocol: its type, its length, its content
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u32 + 4).to_be_bytes();
    [&[kind], &len[..], content].concat()
}

/// Serves a client: no password, and `7` is the answer to each simple query.
async fn session(mut stream: TcpStream) -> io::Result<()> {
    let ready = message(b'Z', b"I");
    let len = stream.read_u32().await?;
    stream.read_exact(&mut vec![0; len as usize - 4]).await?;
    stream.write_all(&[message(b'R', &[0; 4]), ready.clone()].concat()).await?;
    loop {
        let kind = stream.read_u8().await?;
        let len = stream.read_u32().await?;
        stream.read_exact(&mut vec![0; len as usize - 4]).await?;
        if kind == b'Q' {
            // One column `answer` of type `text` (25), in text format.
            let column = [b"answer\0".as_slice(), &[0; 6], &25u32.to_be_bytes(), &[255; 6], &[0; 2]].concat();
            let description = message(b'T', &[&1u16.to_be_bytes()[..], &column].concat());
            let row = message(b'D', &[&1u16.to_be_bytes()[..], &1u32.to_be_bytes(), b"7"].concat());
            let answer = [description, row, message(b'C', b"SELECT 1\0"), ready.clone()].concat();
            stream.write_all(&answer).await?;
        }
    }
}

// Options without a host look for the server's Unix socket on the real machine first, and these do
// so before they are given their host.
#[stormglass::test(seeds = 0..20, set("run.leaks" = "allow"))]
async fn sqlx_connects_by_itself(world: World) {
    between(&world, serve, || async {
        let options = PgConnectOptions::new_without_pgpass().host("server").port(5432).username("ada");
        let options = options.ssl_mode(PgSslMode::Disable);
        let mut postgres = PgConnection::connect_with(&options).await.expect("it connects");
        let row = postgres.fetch_one(sqlx::raw_sql("SELECT answer FROM questions")).await.expect("a row");
        assert_eq!(row.get::<String, _>("answer"), "7");
    })
    .await;
}
