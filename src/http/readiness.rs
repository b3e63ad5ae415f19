//! Whether this server should be sent calls.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether this server should be sent calls, as `/readyz` says.
pub struct Readiness {
    is_draining: AtomicBool,
    has_model: Box<dyn Fn() -> bool + Send + Sync>,
    is_audit_writable: Box<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("faults", &self.faults()).finish()
    }
}

/// Why a server should not be sent calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    Draining,
    NoModel,
    AuditNotWritable,
}

impl NotReady {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            NotReady::Draining => "shutting down",
            NotReady::NoModel => "no model is in service",
            NotReady::AuditNotWritable => "the access log cannot be written",
        }
    }
}

impl Readiness {
    /// `has_model` says whether any model is in service, `is_audit_writable` whether the access log
    /// takes records; both are asked at each probe and must answer at once.
    pub fn new(
        has_model: impl Fn() -> bool + Send + Sync + 'static,
        is_audit_writable: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Readiness {
        Readiness {
            is_draining: AtomicBool::new(false),
            has_model: Box::new(has_model),
            is_audit_writable: Box::new(is_audit_writable),
        }
    }

    /// The server has begun to shut down. To be called before the gRPC listener closes, so that no
    /// balancer sends a call to a closed door.
    pub fn drain(&self) {
        self.is_draining.store(true, Relaxed);
    }

    /// All reasons against sending calls; none for a server that is ready.
    pub fn faults(&self) -> Vec<NotReady> {
        let each = [
            (self.is_draining.load(Relaxed), NotReady::Draining),
            (!(self.has_model)(), NotReady::NoModel),
            (!(self.is_audit_writable)(), NotReady::AuditNotWritable),
        ];
        each.into_iter().filter_map(|(is_so, fault)| is_so.then_some(fault)).collect()
    }
}
