//! gRPC (`prodrome.v1`): thin. Each call is converted, handed to `service`, and converted back.
//!
//! `server` owns connections; `call` stands around every call; `scoring` and `catalog` are the
//! handlers; `from_wire` and `to_wire` convert; `status` names errors; `codec` reads messages, once
//! `entries` has counted what they would unfold to.

mod call;
mod catalog;
mod codec;
mod entries;
mod from_wire;
mod origin;
mod scoring;
mod server;
mod status;
mod to_wire;

#[doc(hidden)]
pub use scoring::{read_record, score_message};
pub use server::{Limits, ServeError, health_name, serve};

/// The generated messages, servers and clients of `prodrome.v1`.
#[doc(hidden)]
pub mod proto {
    #![allow(clippy::all, clippy::pedantic, rustdoc::all)]
    tonic::include_proto!("prodrome.v1");
}

/// The compiled protobuf files with their comments, as an encoded `FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("prodrome");
