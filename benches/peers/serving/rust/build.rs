//! Compiles the project's own contract, so that the echo reads the very requests that the server does.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "../../../../proto";
    println!("cargo:rerun-if-changed={proto}");
    let files = ["prodrome/v1/history.proto", "prodrome/v1/scoring.proto"];
    let descriptors = protox::compile(files, [proto])?;
    tonic_prost_build::configure().build_client(false).compile_fds(descriptors)?;
    Ok(())
}
