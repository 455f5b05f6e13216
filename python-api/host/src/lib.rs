//! The host of user functions.
