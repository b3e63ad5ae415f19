//! Names of callers, roles and places: short and printable, for they go into logs.

/// The longest name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Whether `text` can be a name.
pub(super) fn is_name(text: &str) -> bool {
    let blank = text.trim() != text || text.is_empty();
    !blank && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

/// A list of places as `Scope` has it: `*` among them means anywhere.
pub(super) fn places(names: Vec<String>) -> Option<Vec<String>> {
    let anywhere = names.iter().any(|name| name == "*");
    (!anywhere).then_some(names)
}
