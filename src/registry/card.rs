//! The card of a version in service, read from its folder when somebody asks: cards are long, and
//! nothing needs them to score.

use super::folder::read_plain;
use super::{RegistryError, Version};
use crate::bundle::{BundleError, CARD, METRICS};

/// The largest card, and the largest metrics file, that is shown, in bytes: one answer holds both.
const BYTES_MAX: u64 = 2 << 20;

/// What a version folder tells people of the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The card, in Markdown.
    pub markdown: String,
    /// The figures of the fit, as JSON; `None` for a version that was not fitted.
    pub metrics_json: Option<String>,
}

impl Version {
    /// Reads the card. It blocks on the file system.
    ///
    /// # Errors
    /// A file that is gone, or that is no longer the one the version was loaded with.
    pub fn card(&self) -> Result<Card, RegistryError> {
        let has_metrics = self.bundle().manifest().files.contains_key(METRICS);
        let metrics_json = has_metrics.then(|| self.text(METRICS)).transpose()?;
        Ok(Card { markdown: self.text(CARD)?, metrics_json })
    }

    fn text(&self, name: &str) -> Result<String, RegistryError> {
        let bytes = read_plain(&self.folder().join(name), BYTES_MAX)?;
        self.bundle().check_file(name, &bytes).map_err(RegistryError::refused(self.folder()))?;
        let changed = |_| RegistryError::refused(self.folder())(BundleError::Changed(name.into()));
        String::from_utf8(bytes).map_err(changed)
    }
}
