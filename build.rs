//! Compiles the protobuf files to Rust and to a descriptor set, with no `protoc` on the machine.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 5] = [
    "prodrome/v1/history.proto",
    "prodrome/v1/scoring.proto",
    "prodrome/v1/catalog.proto",
    "prodrome/v1/flags.proto",
    "prodrome/v1/trends.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("prodrome.bin"), descriptors.encode_to_vec())?;
    let configured = || {
        let builder = tonic_prost_build::configure().build_transport(false);
        builder.emit_rerun_if_changed(false).codec_path("crate::rpc::codec::ProstCodec")
    };
    configured().build_server(false).build_client(true).compile_fds(descriptors.clone())?;
    // The servers stand on the same messages, but for the two with a record: those are read by hand.
    let serving = out.join("serving");
    std::fs::create_dir_all(&serving)?;
    configured()
        .build_server(true)
        .build_client(false)
        .extern_path(".prodrome.v1.ScoreRequest", "crate::rpc::request::ScoreRequest")
        .extern_path(".prodrome.v1.ScoreStreamRequest", "crate::rpc::request::ScoreStreamRequest")
        .extern_path(".prodrome.v1", "crate::rpc::proto")
        .out_dir(serving)
        .compile_fds(descriptors)?;
    Ok(())
}
