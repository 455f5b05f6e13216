//! Interpreters inside of this program: each version that is found here, what is refused, and what a thread
//! keeps. One process has one interpreter, so that each test is another run of this program.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{BinaryViewArray, RecordBatch};
use arrow_schema::Schema;
use nestflow_batch::cell::Cell;
use nestflow_batch::columns::{CellBuilder, cell_field};
use nestflow_batch::put::put_i64;
use nestflow_chain::{CallSite, ChainSpec, Emit, Function, Host, OpenChain, Program, Step, StepKind};
use nestflow_embedded::{EmbeddedHost, Settings};

const PROGRAM: &str = "NESTFLOW_EMBED_PROGRAM";
const BEFORE: &str = "NESTFLOW_EMBED_BEFORE";
const FUNCTIONS: &str = r#"
import threading

kept = threading.local()
ended = []


class Held:
    def __del__(self):
        ended.append(1)


def seen(number):
    """How often this thread was here, and how many threads are gone."""
    if not hasattr(kept, "times"):
        kept.times, kept.held = 0, Held()
    kept.times += 1
    return number + 10 * kept.times + len(ended)
"#;

fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).ancestors().nth(2).unwrap().to_path_buf()
}

/// The interpreters of this machine that have a shared library, each with that: one of each version that
/// pyenv has, and the system's, which may have its library beside an executable that does not need it.
fn found() -> Vec<(PathBuf, PathBuf)> {
    let home = std::env::var("PYENV_ROOT").map(PathBuf::from);
    let home = home.or_else(|_| std::env::var("HOME").map(|home| Path::new(&home).join(".pyenv")));
    let versions = home.ok().and_then(|home| home.join("versions").read_dir().ok());
    let mut programs = vec![PathBuf::from("/usr/bin/python3")];
    programs.extend(versions.into_iter().flatten().flatten().map(|folder| folder.path().join("bin/python3")));
    programs.sort();
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    for program in programs {
        let ask = "import os, sys, sysconfig as s; known = (3, 10) <= sys.version_info < (3, 15); \
                   known and not s.get_config_var('Py_GIL_DISABLED') and print(os.path.realpath(os.path.join(\
                   s.get_config_var('LIBDIR'), s.get_config_var('INSTSONAME'))))";
        let Ok(told) = Command::new(&program).args(["-c", ask]).output() else { continue };
        let library = PathBuf::from(String::from_utf8_lossy(&told.stdout).trim());
        let known = found.iter().any(|(_, other)| *other == library);
        if library.to_string_lossy().contains(".so") && library.exists() && !known && host_is_there() {
            found.push((program, library));
        }
    }
    if found.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "no interpreter with a shared library, or no host library");
        eprintln!("no interpreter with a shared library, or no host library, is here");
    }
    found
}

/// The host library is made by scripts/build; who runs nothing but Cargo may not have it.
fn host_is_there() -> bool {
    root().join("python-api/python/nestflow/_host.abi3.so").exists()
}

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("nestflow-embed-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("functions_of_a_test.py"), FUNCTIONS).unwrap();
        // All that the package needs besides Python: the one that .venv has serves every version.
        let venv = root().join(".venv/lib");
        let libs = venv.read_dir().into_iter().flatten().flatten();
        let cloudpickle = libs.map(|lib| lib.path().join("site-packages/cloudpickle")).find(|it| it.exists());
        if let Some(cloudpickle) = cloudpickle {
            std::os::unix::fs::symlink(cloudpickle, path.join("cloudpickle")).unwrap();
        }
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An environment of this interpreter that has the package.
fn environment(folder: &Folder, program: &Path) -> PathBuf {
    let place = folder.0.join("environment");
    let made = Command::new(program).args(["-m", "venv", "--without-pip"]).arg(&place).status().unwrap();
    assert!(made.success(), "{} makes no environment", program.display());
    let site = place.join("lib").read_dir().unwrap().next().unwrap().unwrap().path().join("site-packages");
    let package = root().join("python-api/python");
    std::fs::write(site.join("all.pth"), format!("{}\n{}\n", package.display(), folder.0.display())).unwrap();
    place.join("bin/python3")
}

/// Runs `child` in a process of its own, with this interpreter; gives what it printed.
fn run(name: &str, program: &Path, before: &str) -> String {
    let folder = Folder::new(name);
    said(&environment(&folder, program), before)
}

fn said(program: &Path, before: &str) -> String {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(PROGRAM, program)
        .env(BEFORE, before)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{}: {} {said}", program.display(), ended.status);
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

/// What happens in the other process.
#[test]
fn child() {
    let Ok(program) = std::env::var(PROGRAM) else { return };
    match std::env::var(BEFORE).unwrap().split_once(' ') {
        Some(("open", library)) => drop(symbol(library, None)),
        Some(("start", library)) => {
            let start = symbol(library, Some("Py_InitializeEx"));
            // SAFETY: so it is declared in Python's headers.
            let start: unsafe extern "C" fn(i32) = unsafe { std::mem::transmute(start) };
            // SAFETY: nobody has started this interpreter.
            unsafe { start(0) };
        }
        _ => {}
    }
    let arguments = ["-m", "nestflow.host.embedded"].map(str::to_owned).to_vec();
    let host = EmbeddedHost::new(&Settings { program, arguments, environment: Vec::new() });
    let host = match host {
        Ok(host) => host.for_another(None, 0, false),
        Err(reason) => return println!("\nrefused: {reason}"),
    };
    let ask = |host: EmbeddedHost| {
        let mut chain = host.open(&chain(), Vec::new()).unwrap();
        [chain_of(&mut chain, 1000), chain_of(&mut chain, 2000)]
    };
    let other = host.clone();
    let first = std::thread::spawn(move || ask(other)).join().unwrap();
    let second = std::thread::spawn(move || ask(host)).join().unwrap();
    println!("\ngave: {first:?} {second:?}");
}

/// Opens a library for all, and gives the address of a function of it.
fn symbol(library: &str, name: Option<&str>) -> *mut std::ffi::c_void {
    let library = CString::new(library).unwrap();
    // SAFETY: a text that ends in a zero byte.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    assert!(!handle.is_null());
    let name = CString::new(name.unwrap_or("Py_GetVersion")).unwrap();
    // SAFETY: an open library, and a text that ends in a zero byte.
    let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
    assert!(!found.is_null());
    found
}

fn chain() -> ChainSpec {
    let function = Function { name: "seen".into(), pickled: b"cfunctions_of_a_test\nseen\n.".to_vec() };
    let site = CallSite { file: "test".into(), line: 1, function: "test".into(), transform: "map".into() };
    let steps = vec![Step { kind: StepKind::Map(function), site, sides: Vec::new() }];
    let program = Program::Records { steps, emit: Emit::Value, keep_groups_from: None, most: None };
    ChainSpec { program, sides: Vec::new() }
}

fn chain_of(chain: &mut Box<dyn OpenChain>, number: i64) -> i64 {
    let mut cells = CellBuilder::default();
    put_i64(cells.buffer(), number);
    cells.commit();
    let column: BinaryViewArray = cells.finish().unwrap();
    let schema = Arc::new(Schema::new(vec![cell_field("v")]));
    chain.push(RecordBatch::try_new(schema, vec![Arc::new(column)]).unwrap()).unwrap();
    let output = chain.pull().unwrap();
    match Cell::read(output.column(0).as_binary_view().value(0)).unwrap() {
        Cell::Int(number) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_version_runs_functions_and_keeps_what_a_thread_has() {
    for (program, _) in found() {
        let said = run("versions", &program, "");
        // A thread is known as long as it lives: twice there, then gone. The next one is new.
        assert!(said.contains("gave: [1010, 2020] [1011, 2021]"), "{}: {said}", program.display());
    }
}

#[test]
fn another_python_that_is_open_is_a_reason_against_it() {
    let found = found();
    let [(program, _), .., (_, other)] = &found[..] else { return };
    let said = run("another", program, &format!("open {}", other.display()));
    assert!(said.contains("refused: this process has another Python open"), "{said}");
    assert!(said.contains(other.file_name().unwrap().to_str().unwrap()), "{said}");
}

#[test]
fn an_interpreter_that_others_have_started_is_theirs() {
    for (program, library) in found().into_iter().take(1) {
        let said = run("started", &program, &format!("start {}", library.display()));
        assert!(said.contains("refused: another library of this process has started"), "{said}");
    }
}

#[test]
fn a_library_of_another_version_is_refused() {
    for (program, _) in found().into_iter().take(1) {
        let folder = Folder::new("liar");
        let (liar, program) = (folder.0.join("python"), environment(&folder, &program));
        let script = format!(
            "#!/bin/sh\n{} \"$@\" | sed 's/\"version\": \"3[.]\\([0-9]*\\)[.][0-9]*\"/\"version\": \"3.\\1.99\"/'\n",
            program.display()
        );
        std::fs::write(&liar, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&liar, mode).unwrap();
        let said = said(&liar, "");
        assert!(said.contains("refused: ") && said.contains(".99"), "{said}");
    }
}
