//! Plan bytes and stage bytes from anywhere: an error, or a plan that can be planned; never a panic.

#![allow(clippy::unwrap_used, reason = "a test")]

use nestflow_chain::{CallSite, Function};
use nestflow_runtime::plan::logical::*;
use nestflow_runtime::plan::wire;
use nestflow_runtime::planner::{Settings, plan};
use proptest::prelude::*;

fn settings() -> Settings {
    Settings { channels: 4, ..Settings::default() }
}

fn node(id: NodeId, op: Op) -> Node {
    Node { id, op, single: false, site: 0 }
}

/// A plan with every kind of reference.
fn honest() -> LogicalPlan {
    let function = Function { name: "f".into(), pickled: b"N.".to_vec() };
    let site = CallSite { file: "a.py".into(), line: 1, function: "main".into(), transform: "map".into() };
    let inner = Scope {
        id: 1,
        nodes: vec![
            node(3, Op::Member { side: 0 }),
            node(4, Op::Import { node: 0 }),
            node(5, Op::Key),
            node(6, Op::Filter { input: 3, function: 0, sides: vec![SideInput { node: 4, single: false }] }),
            node(7, Op::Map { input: 6, function: 0, sides: vec![SideInput { node: 5, single: true }] }),
            node(8, Op::Count { input: 7 }),
            node(9, Op::Join { inputs: vec![3, 4], kind: JoinKind::Full, concurrency: None }),
        ],
        children: vec![],
    };
    let root = Scope {
        id: 0,
        nodes: vec![
            node(
                0,
                Op::Files(FileSource {
                    paths: vec!["x".into()],
                    form: SourceForm::Text { encoding: Some("utf-8".into()) },
                    named: false,
                }),
            ),
            node(1, Op::KeyBy { input: 0, key: 0, value: None }),
            node(2, Op::Group { inputs: vec![1, 0], scope: 1, concurrency: Some(3) }),
            node(10, Op::Flatten { node: 8, levels: 1 }),
            node(11, Op::Sort { input: 10, key: Some(0), reverse: true }),
            node(12, Op::Compare { left: 11, right: 0, kind: Compare::Diff }),
            node(13, Op::Keys { scope: 1 }),
        ],
        children: vec![inner],
    };
    let targets = vec![
        Target::Keep { node: 12, cache: 1 },
        Target::Keep { node: 9, cache: 2 },
        Target::Keep { node: 13, cache: 3 },
    ];
    LogicalPlan { functions: vec![function], sites: vec![site], root, targets, materialized: vec![] }
}

#[test]
fn honest_plan_round_trips_and_is_planned() {
    let bytes = wire::encode_plan(&honest()).unwrap();
    assert_eq!(wire::decode_plan(&bytes).unwrap(), honest());
    let graph = plan(&honest(), &settings()).unwrap();
    for stage in &graph.stages {
        let bytes = wire::encode_stage(stage).unwrap();
        assert_eq!(wire::decode_stage(&bytes).unwrap(), *stage);
    }
}

#[test]
fn scopes_without_end_are_an_error() {
    let mut deep = honest();
    let mut scope = Scope { id: 2000, nodes: vec![], children: vec![] };
    for id in 0..1000 {
        scope = Scope { id: 3000 + id, nodes: vec![], children: vec![scope] };
    }
    deep.root.children.push(scope);
    let error = wire::decode_plan(&wire::encode_plan(&deep).unwrap()).unwrap_err();
    assert!(error.to_string().contains("nested too deep"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_plans_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = wire::encode_plan(&honest()).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(decoded) = wire::decode_plan(&bytes) {
            let _ = plan(&decoded, &settings());
        }
    }

    #[test]
    fn damaged_stages_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        for stage in plan(&honest(), &settings()).unwrap().stages {
            let mut bytes = wire::encode_stage(&stage).unwrap();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let _ = wire::decode_stage(&bytes);
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let plan_bytes = [&wire::MAGIC[..], &noise].concat();
        let _ = wire::decode_plan(&plan_bytes);
        let _ = wire::decode_stage(&[&wire::STAGE_MAGIC[..], &noise].concat());
    }
}
