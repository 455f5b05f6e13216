//! The interpreter of this process: started once, for the rest of its life. One that was finalised cannot
//! be started again, and a second one cannot be beside it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};

use crate::call::Call;
use crate::host::said;
use crate::message::{Ask, VERSION};
use crate::probe::Found;
use crate::python::Library;

/// How the file of a Python library is called.
const NAME: &str = "libpython3.";

/// The interpreter that this process has.
struct Started {
    found: Found,
    call: Call,
}

/// What became of the first try that changed the process: there is no other.
static STARTED: Mutex<Option<Result<Started, String>>> = Mutex::new(None);

/// The function of the host library in the interpreter that was found, which is started for it if none is.
pub(crate) fn start(found: &Found, environment: &[(String, String)]) -> Result<Call, String> {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*started {
        Some(Ok(known)) => {
            let same = known.found.executable == found.executable && known.found.host == found.host;
            if !same {
                return Err(format!(
                    "this process has embedded {}, and cannot embed {} beside it",
                    known.found.executable, found.executable
                ));
            }
            let add = Ask::Add { path: found.path.clone(), environment: environment.to_vec() };
            said(known.call, &add).map_err(|error| error.to_string())?;
            return Ok(known.call);
        }
        Some(Err(reason)) => return Err(reason.clone()),
        None => {}
    }
    check(found)?;
    let begun = begin(found, environment.to_vec());
    let kept = begun.clone().map(|call| Started { found: found.clone(), call });
    *started = Some(kept);
    begun
}

/// Whether nobody has brought a Python into this process.
fn check(found: &Found) -> Result<(), String> {
    let wanted =
        std::fs::canonicalize(&found.library).map_err(|error| format!("{}: {error}", found.library))?;
    match loaded().into_iter().find(|library| *library != wanted) {
        Some(other) => Err(format!(
            "this process has another Python open, {}, so that it cannot have {} too",
            other.display(),
            found.library
        )),
        None => Ok(()),
    }
}

/// The Python libraries that are open here.
fn loaded() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut libraries: Vec<PathBuf> = maps.lines().filter_map(library_of).collect();
    libraries.dedup();
    libraries
}

fn library_of(line: &str) -> Option<PathBuf> {
    let path = Path::new(line.get(line.find('/')?..)?);
    let name = path.file_name()?.to_str()?;
    let is_one = name.starts_with(NAME) && name != "libpython3.so";
    is_one.then(|| path.to_path_buf())
}

fn begin(found: &Found, environment: Vec<(String, String)>) -> Result<Call, String> {
    let python = Library::open(&found.library, true)?;
    let version = python.version()?;
    if version.split([' ', '+']).next() != Some(found.version.as_str()) {
        return Err(format!(
            "{} is Python {version}, but {} is {}",
            found.library, found.executable, found.version
        ));
    }
    if python.is_running()? {
        return Err(format!("another library of this process has started {}", found.library));
    }
    let (found, (sender, begun)) = (found.clone(), channel());
    let begin = move || {
        python.start(&found.executable, found.hash_seed)?;
        let call = Library::open(&found.host, false)?.call()?;
        said(call, &Ask::Start { version: VERSION, path: found.path, environment })
            .map_err(|error| error.to_string())?;
        Ok(call)
    };
    let thread = std::thread::Builder::new().name("nestflow-python".into()).stack_size(16 << 20);
    let spawned = thread.spawn(move || {
        let begun = begin();
        let _ = sender.send(begun);
        // Python takes this thread for its main one: it stays as long as the process.
        loop {
            std::thread::park();
        }
    });
    spawned.map_err(|error| error.to_string())?;
    begun.recv().unwrap_or_else(|_| Err("the thread that starts Python ended".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_s_libraries_are_told_from_others() {
        let line = "7f00-7f01 r-xp 00000000 08:01 42   /opt/a b/lib/libpython3.11.so.1.0";
        assert_eq!(library_of(line), Some(PathBuf::from("/opt/a b/lib/libpython3.11.so.1.0")));
        for other in ["7f00-7f01 r-xp 0 08:01 42 /lib/libc.so.6", "7f00-7f01 rw-p 0 00:00 0 [heap]", ""] {
            assert_eq!(library_of(other), None);
        }
    }

    #[test]
    fn a_library_that_is_none_is_refused() {
        let found = Found {
            refused: None,
            executable: "python".into(),
            library: "/no/such/libpython3.11.so".into(),
            host: String::new(),
            path: Vec::new(),
            version: "3.11.7".into(),
            hash_seed: None,
        };
        assert!(check(&found).unwrap_err().starts_with("/no/such/libpython3.11.so: "));
        let refused = begin(&found, Vec::new()).err().unwrap();
        assert!(refused.starts_with("/no/such/libpython3.11.so cannot be opened"), "{refused}");
    }
}
