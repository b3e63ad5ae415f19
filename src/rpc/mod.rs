//! gRPC (`prodrome.v1`): thin. Each call is converted, handed to `service`, and converted back.
//!
//! `server` owns connections; `call` stands around every call; `scoring` and `catalog` are the
//! handlers; `from_wire` and `to_wire` convert; `status` names errors; `codec` reads messages, once
//! `entries` has counted what they would unfold to.

mod bare;
mod call;
mod catalog;
mod codec;
mod entries;
mod from_wire;
mod given;
mod origin;
mod request;
mod scoring;
mod server;
mod status;
mod to_wire;
mod wire;

#[doc(hidden)]
pub use bare::{read_record, score_message};
pub use server::{Limits, ServeError, health_name, serve};

/// The generated servers of `prodrome.v1`.
mod serving {
    #![allow(clippy::all, clippy::pedantic, unreachable_pub, rustdoc::all)]
    include!(concat!(env!("OUT_DIR"), "/serving/prodrome.v1.rs"));
}

/// The generated messages and clients of `prodrome.v1`.
#[doc(hidden)]
pub mod proto {
    #![allow(clippy::all, clippy::pedantic, rustdoc::all)]
    tonic::include_proto!("prodrome.v1");
}

/// The compiled protobuf files with their comments, as an encoded `FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("prodrome");
