//! Rules in a real kernel.
