//! gRPC (`prodrome.v1`): thin. Each call is converted, handed to `service`, and converted back.
//!
//! `server` opens `connection`s, whose `traffic` is watched; `call` stands around every call, with
//! `deadline` and `request_body`; `scoring`, `stream`, `flags`, `trends` and `catalog` are the handlers, `answers` those of streams, and
//! `health` says what they can do; `from_wire` and `to_wire` convert; `status` names errors; `codec`
//! reads messages, once `entries` has counted what they would unfold to.

mod answers;
mod bare;
mod call;
mod catalog;
mod clock;
mod codec;
mod connection;
mod deadline;
mod entries;
mod flag_message;
mod flags;
mod from_wire;
mod given;
mod health;
mod request;
mod request_body;
mod scoring;
mod server;
mod status;
mod stream;
mod to_wire;
mod traffic;
mod trend_message;
mod trends;
mod wire;

#[doc(hidden)]
pub use bare::{read_record, score_message};
pub use clock::{now, now_seconds};
pub use health::health_name;
pub use server::{ServeError, serve, serve_encrypted, serve_through};

pub use crate::service::Limits;

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
