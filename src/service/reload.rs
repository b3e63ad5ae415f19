//! Models and trends that change under the running server.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Service;
use crate::meters;
use crate::registry::ReloadReport;

impl Service {
    /// Reads the models folder now and swaps in what it holds. It blocks on the file system.
    pub fn reload(&self) -> ReloadReport {
        let report = self.models().reload();
        if let Some(fault) = &report.fault {
            tracing::error!(fault, "the models cannot be read; what was in service stays");
            meters::process().reload_failed();
        }
        for task in &report.tasks {
            let version = task.after.as_ref().map_or("none", |after| after.version.as_str());
            tracing::info!(task = task.task, version, change = ?task.change(), "models read");
            for refused in &task.refused {
                let (task, version) = (&task.task, &refused.version);
                tracing::error!(task, version, reason = refused.reason, "a model is refused");
                meters::process().reload_failed();
            }
        }
        report
    }

    /// Looks every so often whether the models folder or a release of trends has changed, and reads it
    /// then.
    pub async fn follow_models(self: Arc<Service>, every: Duration) {
        let mut looks = interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let service = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || {
                if service.models().has_changed() {
                    service.reload();
                }
                if service.releases().has_changed() {
                    service.reload_trends();
                }
            });
            if look.await.is_err() {
                tracing::error!("a look at the models folder failed");
            }
        }
    }
}
