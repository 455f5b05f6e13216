//! Rules of the house that a machine can check: who imports whom, sizes, headers, names.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines a file may have without its tests.
const LONGEST: usize = 400;
/// Lines that the shim in the JVM may have in all, its build included.
const SHIM: usize = 1500;
/// Files that are tables by nature.
const TABLES: [&str; 3] = ["plan/logical.rs", "plan/flat.rs", "executor/build.rs"];

fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).parent().unwrap().to_path_buf()
}

fn sources(folder: &str, suffix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![root().join(folder)];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == suffix) {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn all() -> Vec<(String, String)> {
    [
        "runtime/batch/src",
        "runtime/chain/src",
        "runtime/src",
        "runtime/workers/src",
        "runtime/embedded/src",
        "jni-bridge/src",
        "python-api/host/src",
        "python-api/src",
    ]
    .into_iter()
    .flat_map(|folder| sources(folder, "rs"))
    .collect()
}

/// Code before the tests of a file.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

#[test]
fn files_say_what_they_are() {
    for (name, text) in all() {
        assert!(text.starts_with("//!"), "{name} does not open with what it is");
    }
}

#[test]
fn files_are_small() {
    for (name, text) in all() {
        let limit = if TABLES.iter().any(|table| name.ends_with(table)) { 600 } else { LONGEST };
        let lines = code(&text).lines().count();
        assert!(name.contains("/tests") || lines <= limit, "{name} has {lines} lines, {limit} is enough");
    }
}

#[test]
fn the_shim_is_thin() {
    let lines: usize = sources("scala-shim", "scala")
        .into_iter()
        .chain(sources("scala-shim", "java"))
        .map(|(_, text)| text.lines().count())
        .sum();
    let lines = lines + fs::read_to_string(root().join("build.sbt")).unwrap().lines().count();
    assert!(lines <= SHIM, "the shim has {lines} lines: what decides something belongs into the client");
}

#[test]
fn the_listener_is_there_before_the_task() {
    // What can fail or be killed once there is a native task has to find who frees it.
    let file = root().join("scala-shim/src/main/scala/nestflow/spark/TaskIterator.scala");
    let text = fs::read_to_string(file).unwrap();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}"));
    assert!(at("context.addTaskCompletionListener") < at("Native.create("));
}

#[test]
fn two_files_lie_in_a_package_of_spark() {
    let lines =
        |(_, text): &(String, String)| text.lines().any(|line| line.starts_with("package org.apache.spark"));
    let sources = sources("scala-shim", "scala").into_iter().chain(sources("scala-shim", "java"));
    assert_eq!(sources.filter(lines).count(), 2);
}

#[test]
fn nothing_is_called_utils() {
    for (name, _) in all() {
        let stem = Path::new(&name).file_stem().unwrap().to_str().unwrap();
        assert!(!["util", "utils", "common", "helpers", "misc"].contains(&stem), "{name}");
    }
}

#[test]
fn modules_import_what_they_may() {
    // (files, what they must never name)
    let never: [(&str, &[&str]); 10] = [
        ("jni-bridge/", &["pyo3", "datafusion", "nestflow_runtime::planner", "nestflow_runtime::executor"]),
        ("runtime/", &["pyo3", "jni::"]),
        ("runtime/batch/", &["nestflow_chain", "nestflow_runtime", "datafusion"]),
        ("runtime/chain/", &["nestflow_runtime", "datafusion"]),
        (
            "runtime/src/plan/",
            &["crate::planner", "crate::executor", "crate::io", "crate::local", "datafusion"],
        ),
        ("runtime/src/planner/", &["crate::executor", "crate::io", "crate::local", "datafusion"]),
        ("runtime/src/io/", &["crate::planner", "crate::executor", "crate::local", "datafusion"]),
        ("runtime/src/executor/", &["crate::planner", "crate::local"]),
        ("python-api/host/", &["nestflow_runtime", "datafusion", "jni::"]),
        ("python-api/src/", &["nestflow_runtime::executor", "datafusion", "jni::"]),
    ];
    for (name, text) in all() {
        for (folder, names) in &never {
            for line in code(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
                for forbidden in *names {
                    let found = name.starts_with(folder) && line.contains(forbidden);
                    assert!(!found, "{name} must not name {forbidden}: {}", line.trim());
                }
            }
        }
    }
}

#[test]
fn danger_is_fenced() {
    let allowed = [
        "jni-bridge/src/allocated.rs",
        "jni-bridge/src/files.rs",
        "jni-bridge/src/upcall.rs",
        "python-api/host/src/decode.rs",
        "python-api/host/src/embedded.rs",
        "python-api/host/src/fast.rs",
        "python-api/host/src/native_functions/abi.rs",
        "python-api/host/src/native_functions/batches.rs",
        "python-api/host/src/pin.rs",
        "runtime/batch/src/view_column.rs",
        "runtime/embedded/src/batch.rs",
        "runtime/embedded/src/call.rs",
        "runtime/embedded/src/host.rs",
        "runtime/embedded/src/python.rs",
        "runtime/workers/src/mapped.rs",
        "runtime/workers/src/process.rs",
        "runtime/workers/src/shared.rs",
        "runtime/workers/src/spawner.rs",
    ];
    for (name, text) in all() {
        let dangerous = code(&text).lines().any(|line| {
            let line = line.trim_start();
            !line.starts_with("//")
                && (line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl"))
        });
        assert!(!dangerous || allowed.contains(&name.as_str()), "{name} has unsafe code");
    }
}

#[test]
fn names_in_the_architecture_page_exist() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    assert!(page.lines().count() <= 400);
    let mut everything: String = all().into_iter().map(|(name, text)| name + "\n" + &text).collect();
    let mut pending = vec![root().join("python-api/python"), root().join("tests")];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            everything.push_str(path.to_str().unwrap());
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "py") {
                everything.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    for name in page.split('`').skip(1).step_by(2).filter(|name| !name.contains([' ', '\n', '…'])) {
        let name = name.trim_end_matches("()").trim_end_matches('/').rsplit("::").next().unwrap();
        let name = name.strip_prefix("nestflow.").unwrap_or(name);
        assert!(everything.contains(name), "docs/architecture.md names `{name}`, which is nowhere");
    }
}
