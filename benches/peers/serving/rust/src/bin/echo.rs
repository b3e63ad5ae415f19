//! A bare tonic server: the least that a Rust service costs which reads a Score request with prost, into
//! strings of its own, and answers with some 300 bytes. `echo ADDRESS THREADS`.

use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

mod pb {
    tonic::include_proto!("prodrome.v1");
}

use pb::risk_scoring_server::{RiskScoring, RiskScoringServer};

struct Echo;

#[tonic::async_trait]
impl RiskScoring for Echo {
    async fn score(
        &self,
        request: Request<pb::ScoreRequest>,
    ) -> Result<Response<pb::ScoreResponse>, Status> {
        let request = request.into_inner();
        let Some(pb::score_request::Record::History(history)) = &request.record else {
            return Err(Status::invalid_argument("no history"));
        };
        // The answer depends on all events, so that none of them is left unread.
        let bytes: usize = history.events.iter().map(|event| event.code.len()).sum();
        let assessment = pb::Assessment {
            task: "echo".into(),
            task_digest: "0".repeat(64),
            bundle_digest: "0".repeat(64),
            model_version: bytes.to_string(),
            outcome: Some(pb::assessment::Outcome::NotEligible(pb::NotEligible {
                criterion: "echo".into(),
                text: "x".repeat(120),
            })),
            ..Default::default()
        };
        let assessments = vec![assessment];
        let request_id = request.request_id;
        Ok(Response::new(pb::ScoreResponse { request_id, assessments, ..Default::default() }))
    }

    type ScoreStreamStream =
        std::pin::Pin<Box<dyn tonic::codegen::tokio_stream::Stream<Item = Result<pb::ScoreStreamResponse, Status>> + Send>>;

    async fn score_stream(
        &self,
        _request: Request<Streaming<pb::ScoreStreamRequest>>,
    ) -> Result<Response<Self::ScoreStreamStream>, Status> {
        Err(Status::unimplemented("the echo answers single calls"))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("echo ADDRESS THREADS")?.parse()?;
    let threads = arguments.next().ok_or("echo ADDRESS THREADS")?.parse()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(Server::builder().add_service(RiskScoringServer::new(Echo)).serve(address))?;
    Ok(())
}
