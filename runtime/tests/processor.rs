//! For which processors this is compiled: those of x86-64-v2, and no newer ones.

#[cfg(target_arch = "x86_64")]
#[test]
#[allow(clippy::assertions_on_constants, reason = "constants are what the compiler was told")]
fn the_baseline_is_x86_64_v2() {
    assert!(cfg!(all(target_feature = "sse4.2", target_feature = "ssse3", target_feature = "popcnt")));
    assert!(!cfg!(any(target_feature = "avx", target_feature = "bmi1", target_feature = "movbe")));
}
