//! Scores the patient of a JSON file: `score FILE.json [--address http://127.0.0.1:50051]`.
//!
//! The file holds a `prodrome.v1.ScoreRequest` in protobuf's JSON; the response comes to stdout in
//! the same form.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Parser;
use prodrome::rpc::FILE_DESCRIPTOR_SET;
use prodrome::rpc::proto::ScoreRequest;
use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage};
use tonic::Status;
use tonic::transport::Endpoint;
use tonic_types::StatusExt;

/// Scores the patient of a JSON file (a prodrome.v1.ScoreRequest).
#[derive(Debug, Parser)]
struct Arguments {
    /// The request
    file: PathBuf,
    /// Where prodrome-server listens
    #[arg(long, default_value = "http://127.0.0.1:50051")]
    address: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(response) => {
            // A reader that has seen enough, such as `head`, is no error.
            let _ = writeln!(std::io::stdout(), "{response}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<String> {
    let Arguments { file, address } = arguments;
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
    let named = |name: &str| {
        pool.get_message_by_name(name).ok_or_else(|| anyhow!("{name} is not in the contract"))
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let request = from_json(named("prodrome.v1.ScoreRequest")?, &text)
        .with_context(|| format!("{} is not a ScoreRequest in JSON", file.display()))?;
    let channel = Endpoint::from_shared(address.clone())
        .with_context(|| format!("{address} is not an address such as http://127.0.0.1:50051"))?
        .connect()
        .await
        .with_context(|| format!("no server answers at {address}; start prodrome-server first"))?;
    let answered = RiskScoringClient::new(channel).score(request).await;
    let response = answered.map_err(|status| anyhow!(in_words(&status)))?.into_inner();
    let mut dynamic = DynamicMessage::new(named("prodrome.v1.ScoreResponse")?);
    dynamic.transcode_from(&response)?;
    Ok(serde_json::to_string_pretty(&dynamic)?)
}

fn from_json(descriptor: MessageDescriptor, text: &str) -> anyhow::Result<ScoreRequest> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let message = DynamicMessage::deserialize(descriptor, &mut reader)?;
    reader.end()?;
    message.transcode_to().with_context(|| message.descriptor().full_name().to_owned())
}

/// The status with its details: the fields at fault, and what was not found.
fn in_words(status: &Status) -> String {
    let mut words = format!("{:?}: {}", status.code(), status.message());
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        words += &format!("\n  reason {} ({})", info.reason, info.domain);
    }
    let fields = details.bad_request().map(|bad| bad.field_violations.as_slice());
    for violation in fields.unwrap_or_default() {
        words += &format!("\n  {}: {}", violation.field, violation.description);
    }
    words
}
