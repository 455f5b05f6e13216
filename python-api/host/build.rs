//! Tells the compiler which interpreter the host is built for: one with a lock or one without.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
