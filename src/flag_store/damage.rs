//! Flags that cannot be read: they are left out, counted and told of, and keep nothing else from its
//! course.

use super::StoreError;

/// The damaged flags that one call met.
#[derive(Default)]
pub(super) struct Damage {
    flags: u64,
    first: Option<StoreError>,
}

impl Damage {
    /// What was read; `None` where it is damaged, which counts.
    ///
    /// # Errors
    /// Anything but damage.
    pub(super) fn sound<T>(
        &mut self,
        read: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error @ StoreError::Damaged { .. }) => {
                self.flags = self.flags.saturating_add(1);
                self.first.get_or_insert(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Says so in the log, in one line however many there are; how many.
    pub(super) fn tell(self) -> u64 {
        if let Some(error) = self.first {
            tracing::error!(%error, flags = self.flags, "damaged flags are left out");
        }
        self.flags
    }
}
