//! What the CNI way accepts as annotation values (`IPT-ANN-01` to `IPT-ANN-10`, `IPT-ANN-21`).

use crate::cidrs::parse_range;
use crate::config::is_interface_name;
use crate::error::{ConfigError, ConfigErrorKind};

/// The form an annotation must have.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Mode,
    Ranges,
    RangesOrAll,
    PortsOrAll,
    Interfaces,
}

/// Checks `value` of the annotation `name`.
///
/// # Errors
/// The value has another form; the error names the annotation and the item.
pub(super) fn check(name: &str, value: &str, form: Form) -> Result<(), ConfigError> {
    match form {
        Form::Mode if value == "REDIRECT" || value == "TPROXY" => Ok(()),
        Form::Mode => {
            let message = format!("`{value}` is no interception mode, write `REDIRECT` or `TPROXY`");
            Err(ConfigError::new(name, value, "IPT-ANN-01", ConfigErrorKind::Invalid, message))
        }
        Form::RangesOrAll | Form::PortsOrAll if value == "*" => Ok(()),
        Form::Ranges | Form::RangesOrAll if value.is_empty() => Ok(()),
        Form::Ranges | Form::RangesOrAll => {
            value.split(',').try_for_each(|item| parse_range(name, item).map(drop))
        }
        Form::PortsOrAll if value.trim().is_empty() => Ok(()),
        Form::PortsOrAll => value.trim().split(',').try_for_each(|item| check_port(name, item)),
        Form::Interfaces if value.is_empty() => Ok(()),
        Form::Interfaces => value.split(',').try_for_each(|item| check_interface(name, item)),
    }
}

fn check_port(name: &str, item: &str) -> Result<(), ConfigError> {
    let digits = item.trim();
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain && digits.parse::<u16>().is_ok() {
        return Ok(());
    }
    let message = format!("`{item}` is not a port, write numbers from 0 to 65535 with commas between them");
    Err(ConfigError::new(name, item, "IPT-ANN-21", ConfigErrorKind::Invalid, message))
}

fn check_interface(name: &str, item: &str) -> Result<(), ConfigError> {
    if is_interface_name(item.trim()) {
        return Ok(());
    }
    let message = format!(
        "`{item}` is no interface name, at most 15 letters, digits, `_`, `.` and `-` after a first letter"
    );
    Err(ConfigError::new(name, item, "IPT-ANN-21", ConfigErrorKind::Invalid, message))
}
