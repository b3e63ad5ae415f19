//! Compiles the protobuf files to Rust and to a descriptor set, with no `protoc` on the machine.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 3] =
    ["prodrome/v1/history.proto", "prodrome/v1/scoring.proto", "prodrome/v1/catalog.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("prodrome.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_server(true)
        .build_client(true)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .codec_path("crate::rpc::codec::ProstCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
