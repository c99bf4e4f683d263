//! Generates the client and the server of the service `greeter.Greeter`. The messages are in
//! `src/lib.rs`, so neither a .proto file nor protoc is needed.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let greet = Method::builder()
        .name("greet")
        .route_name("Greet")
        .input_type("crate::GreetRequest")
        .output_type("crate::GreetReply")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let service = Service::builder().name("Greeter").package("greeter").method(greet).build();
    Builder::new().compile(&[service]);
}
