//! Plans as plain data, in the order in which they come about: what the user's program built
//! (`logical`), the flat operators it lifts to (`flat`), the stages these are cut into (`stage`).

mod depth;
pub mod display;
pub mod flat;
pub mod literal;
pub mod logical;
pub mod stage;
pub mod wire;
