//! The steps of a program, for people.

use nestflow_chain::{CallSite, ChainSpec, Emit, Function, Program, Sequential, StepKind};

/// What a program runs: `map(<lambda>) at jobs/visits.py:12 in main, then …`.
pub(crate) fn describe(chain: &ChainSpec) -> String {
    let steps: Vec<String> = match &chain.program {
        Program::Records { steps, emit, .. } => {
            let mut told: Vec<_> = steps.iter().map(|step| place(&step.site, &functions(&step.kind))).collect();
            if let Emit::Ordered { key: Some(key), site, .. } = emit {
                told.push(place(site, &[key]));
            }
            told
        }
        Program::Fold { step, site, .. } => vec![place(site, &[step])],
        Program::Combine { function, site } => vec![place(site, &[function])],
        Program::Sequential { kind, site, .. } => vec![place(site, &sequential(kind))],
    };
    if steps.is_empty() { "a conversion of records".to_owned() } else { steps.join(", then ") }
}

fn functions(kind: &StepKind) -> Vec<&Function> {
    match kind {
        StepKind::Map(function)
        | StepKind::FlatMap(function)
        | StepKind::Filter(function)
        | StepKind::Foreach(function) => vec![function],
        StepKind::KeyBy { key, value } => std::iter::once(key).chain(value).collect(),
        StepKind::Split => vec![],
    }
}

fn sequential(kind: &Sequential) -> Vec<&Function> {
    match kind {
        Sequential::Accumulate { step, .. } => vec![step],
        Sequential::Reduce(function) | Sequential::Transformer(function) | Sequential::Whole(function) => {
            vec![function]
        }
        Sequential::Transform { init, step, done } => vec![init, step, done],
    }
}

fn place(site: &CallSite, functions: &[&Function]) -> String {
    let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    let CallSite { file, line, function, transform } = site;
    format!("{transform}({}) at {file}:{line} in {function}", names.join(", "))
}
