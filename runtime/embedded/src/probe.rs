//! Asks the interpreter that a job would run its functions in what it takes to open it here.

use std::process::{Command, Stdio};

use serde::Deserialize;

/// How the interpreter's answer begins, among what else it may print.
const MARK: &str = "nestflow-embedded ";

/// What it says: `nestflow/host/embedded.py` makes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Found {
    /// Why it cannot be embedded; the rest is empty then.
    pub(crate) refused: Option<String>,
    /// The path of the interpreter.
    pub(crate) executable: String,
    /// The path of its shared library.
    pub(crate) library: String,
    /// The path of the host library.
    pub(crate) host: String,
    /// Where it finds modules.
    pub(crate) path: Vec<String>,
    /// Its version: `3.11.7`.
    pub(crate) version: String,
    /// The seed of its hashes, where it has a fixed one.
    pub(crate) hash_seed: Option<u32>,
}

/// Runs the interpreter; an error says why there is none to embed.
pub(crate) fn probe(
    program: &str,
    arguments: &[String],
    environment: &[(String, String)],
) -> Result<Found, String> {
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    let ended = command.stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| format!("{program} cannot be started: {error}"))?;
    let (printed, said) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    let answer = printed.lines().find_map(|line| line.strip_prefix(MARK));
    let Some(answer) = answer else {
        let last = said.trim().lines().last().unwrap_or("it said nothing");
        return Err(format!("{program} does not tell of itself ({}): {last}", ended.status));
    };
    let found: Found = serde_json::from_str(answer)
        .map_err(|error| format!("{program} tells nonsense of itself: {error}"))?;
    match found.refused {
        Some(reason) => Err(reason),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(script: &str) -> Result<Found, String> {
        probe("/bin/sh", &["-c".to_owned(), script.to_owned()], &[("SAID".to_owned(), "yes".to_owned())])
    }

    #[test]
    fn the_answer_is_found_among_other_lines() {
        let answer = r#"{"refused": null, "executable": "p", "library": "l", "host": "h", "path": ["a"],
            "version": "3.11.7", "hash_seed": 0}"#
            .replace('\n', " ");
        let found = said(&format!("echo hello; echo 'nestflow-embedded {answer}'")).unwrap();
        assert_eq!((found.library.as_str(), found.path.len(), found.hash_seed), ("l", 1, Some(0)));
    }

    #[test]
    fn whatever_is_wrong_is_said() {
        assert!(said("echo $SAID >&2; exit 3").unwrap_err().ends_with("(exit status: 3): yes"));
        assert!(said("echo nestflow-embedded oops").unwrap_err().contains("tells nonsense of itself"));
        let missing = probe("/no/such/python", &[], &[]).unwrap_err();
        assert!(missing.starts_with("/no/such/python cannot be started"), "{missing}");
        let refused = r#"nestflow-embedded {"refused": "no library", "executable": "", "library": "", "host": "",
            "path": [], "version": "", "hash_seed": null}"#;
        assert_eq!(said(&format!("echo '{}'", refused.replace('\n', " "))).unwrap_err(), "no library");
    }
}
