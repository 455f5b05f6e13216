//! What a plan looks like to people: the tree of scopes, the stages and why each exchange is there,
//! and both as a picture.

use std::fmt::Write;

use nestflow_chain::{ChainSpec, Program, Side};

use crate::error::{Error, Result};
use crate::plan::display::file_name;
use crate::plan::flat::FlatOp;
use crate::plan::logical::*;
use crate::plan::stage::{OutputTo, StageGraph};
use crate::planner::{Settings, plan, references};

/// A plan in one of the forms `logical`, `stages`, `text` (both) and `mermaid`.
pub fn explain(logical: &LogicalPlan, settings: &Settings, form: &str) -> Result<String> {
    let graph = plan(logical, settings)?;
    match form {
        "logical" => Ok(scopes(logical)),
        "stages" => Ok(graph.to_string()),
        "text" => Ok(format!("program\n{}\nstages\n{graph}", scopes(logical))),
        "mermaid" => Ok(mermaid(&graph)),
        other => Err(Error::Plan(format!("{other} is not a form of plans: logical, stages, text, mermaid"))),
    }
}

/// The programs of user functions that are written for a plan, each with what its stage is called.
pub fn programs(logical: &LogicalPlan) -> Result<Vec<(String, ChainSpec)>> {
    // Which functions a stage calls does not depend on how rows are dealt.
    let graph = plan(logical, &Settings { channels: 1, ..Settings::default() })?;
    let mut found = Vec::new();
    for stage in &graph.stages {
        for node in &stage.nodes {
            if let FlatOp::Chain { steps, emit, keep_groups_from, sides, most } = &node.op {
                let sides = sides.iter().map(|side| Side { shape: side.shape, from: side.from }).collect();
                let program = Program::Records {
                    steps: steps.clone(),
                    emit: emit.clone(),
                    keep_groups_from: *keep_groups_from,
                    most: *most,
                };
                found.push((format!("stage {}", stage.id), ChainSpec { program, sides }));
            }
        }
    }
    Ok(found)
}

fn scopes(plan: &LogicalPlan) -> String {
    let mut text = String::new();
    scope(plan, &plan.root, 1, &mut text);
    for target in &plan.targets {
        let line = match target {
            Target::Keep { node, .. } => format!("get #{node}"),
            Target::Write { node, sink, .. } => format!("write #{node} to {}", sink.path),
            Target::Effect { node } => format!("run #{node}"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  → {line}");
    }
    text
}

fn scope(plan: &LogicalPlan, scope: &Scope, indent: usize, text: &mut String) {
    let children = scope.children.iter();
    for node in &scope.nodes {
        let inputs: Vec<_> = references(&node.op).iter().map(|id| format!("#{id}")).collect();
        let place = plan.sites.get(node.site as usize).map_or(String::new(), |site| {
            format!("  # {} at {}:{}", site.transform, file_name(&site.file), site.line)
        });
        let from = if inputs.is_empty() { String::new() } else { format!(" ← {}", inputs.join(", ")) };
        let kind = if node.single { "one" } else { "many" };
        let _ = writeln!(
            text,
            "{:width$}#{} {} ({kind}){from}{place}",
            "",
            node.id,
            name(&node.op),
            width = indent * 2
        );
        if let Op::Group { scope: opened, .. } = &node.op
            && let Some(child) = children.clone().find(|child| child.id == *opened)
        {
            self::scope(plan, child, indent + 2, text);
        }
    }
}

fn name(op: &Op) -> String {
    let debug = format!("{op:?}");
    let end = debug.find([' ', '(', '{']).unwrap_or(debug.len());
    debug[..end].to_lowercase()
}

fn mermaid(graph: &StageGraph) -> String {
    let mut text = String::from("flowchart TD\n");
    for stage in &graph.stages {
        let _ = writeln!(text, "  subgraph stage{}[\"stage {}\"]", stage.id, stage.id);
        for (id, node) in stage.nodes.iter().enumerate() {
            let label = node.op.to_string().replace('"', "'");
            let _ = writeln!(text, "    s{}n{id}[\"{label}\"]", stage.id);
        }
        text.push_str("  end\n");
        for (id, node) in stage.nodes.iter().enumerate() {
            for input in &node.inputs {
                let _ = writeln!(text, "  s{0}n{input} --> s{0}n{id}", stage.id);
            }
        }
        for output in &stage.outputs {
            let OutputTo::Exchange { exchange, .. } = output.to else {
                let _ = writeln!(text, "  s{0}n{1} --> out{0}_{1}([\"result\"])", stage.id, output.node);
                continue;
            };
            for reader in &graph.stages {
                for (id, node) in reader.nodes.iter().enumerate() {
                    if node.op == (FlatOp::Read { exchange }) {
                        let kind = &graph.exchanges[exchange as usize].kind;
                        let from = format!("s{}n{}", stage.id, output.node);
                        let _ = writeln!(text, "  {from} == \"{kind}\" ==> s{}n{id}", reader.id);
                    }
                }
            }
        }
    }
    text
}
